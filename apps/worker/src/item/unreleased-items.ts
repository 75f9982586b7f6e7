import { withoutParameters } from '@stockpile/db/connection'
import type { Connection } from '@stockpile/db/connection'
import { uncountLoneLoss } from '@stockpile/db/items'
import { tick } from '@stockpile/time/wait'
import type { Logger } from 'pino'

type UnreleasedItem = Parameters<typeof uncountLoneLoss>[1]

const EXCUSE_INTERVAL_MS = 1_000

/**
 * Remembers items that this worker took alone and could not release, since PostgreSQL was away. Another worker that takes
 * such an item over would count this worker as killed by the item; `excuse` tells PostgreSQL that this worker lives.
 */
export class UnreleasedItems {
  readonly #db: Connection['db']
  readonly #logger: Logger
  readonly #items = new Map<number, UnreleasedItem>()

  constructor({ db, logger }: { db: Connection['db']; logger: Logger }) {
    this.#db = db
    this.#logger = logger
  }

  /** @param item.id null for a job that has no item, which needs no excuse */
  note({ id, claim }: Pick<UnreleasedItem, 'claim'> & { id: number | null }): void {
    if (id !== null) this.#items.set(id, { id, claim })
  }

  /**
   * Excuses all of them. A worker calls this before it takes an item, so that no loss is counted against its own items.
   * @throws when PostgreSQL is still away
   */
  async excuse(): Promise<void> {
    for (const [id, item] of this.#items) {
      // Deleted first, so that two calls at the same time do not excuse an item twice.
      this.#items.delete(id)
      try {
        await uncountLoneLoss(this.#db, item)
      } catch (error) {
        this.#items.set(id, item)
        throw error
      }
    }
  }

  /** Excuses them as soon as PostgreSQL answers, until `signal` aborts: another worker may be the first to take one. */
  async watch(signal: AbortSignal): Promise<void> {
    while (await tick(EXCUSE_INTERVAL_MS, signal))
      await this.excuse().catch((error: unknown) =>
        this.#logger.debug({ err: withoutParameters(error) }, 'cannot say yet that this worker was not lost'),
      )
  }
}
