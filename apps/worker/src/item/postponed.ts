import { tick } from '@stockpile/time/wait'
import { withoutParameters } from '@stockpile/db/connection'
import type { Connection } from '@stockpile/db/connection'
import { uncountLoneLoss } from '@stockpile/db/items'
import type { Logger } from 'pino'

/** What is known of an item that a worker took alone and could not put back. */
type Taken = Parameters<typeof uncountLoneLoss>[1]

const EXCUSE_INTERVAL_MS = 1_000

/**
 * Items that this worker took alone and could not put back, since PostgreSQL was away. Whoever takes one of them over would
 * take this worker for lost, and the item for what killed it: as soon as PostgreSQL answers, it is told otherwise.
 */
export class Postponed {
  readonly #db: Connection['db']
  readonly #logger: Logger
  readonly #items = new Map<number, Taken>()

  constructor({ db, logger }: { db: Connection['db']; logger: Logger }) {
    this.#db = db
    this.#logger = logger
  }

  note({ id, claim }: Pick<Taken, 'claim'> & { id: number | null }): void {
    if (id !== null) this.#items.set(id, { id, claim })
  }

  /**
   * Excuses them. Before this worker takes an item, so that its own are never counted against.
   * @throws when PostgreSQL is still away
   */
  async excuse(): Promise<void> {
    for (const [id, item] of this.#items) {
      // Not twice at a time.
      this.#items.delete(id)
      try {
        await uncountLoneLoss(this.#db, item)
      } catch (error) {
        this.#items.set(id, item)
        throw error
      }
    }
  }

  /** Excuses them as soon as it can, until `signal` aborts: another worker may be the first to take one. */
  async watch(signal: AbortSignal): Promise<void> {
    while (await tick(EXCUSE_INTERVAL_MS, signal))
      await this.excuse().catch((error: unknown) =>
        this.#logger.debug({ err: withoutParameters(error) }, 'cannot say yet that this worker was not lost'),
      )
  }
}
