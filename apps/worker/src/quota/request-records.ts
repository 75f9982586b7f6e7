import { withoutParameters } from '@stockpile/db/connection'
import type { Connection } from '@stockpile/db/connection'
import { concludeRequest } from '@stockpile/db/ledger-conclusion'
import type { Conclusion } from '@stockpile/db/ledger-conclusion'
import type { Logger } from 'pino'

/** Bounds the memory of one worker while PostgreSQL is away: no worker sends this many requests in such a time. */
const MAX_MISSED = 1_000

/** Records in the ledger what became of requests, and remembers what could not be recorded while PostgreSQL was away. */
export class RequestRecords {
  readonly #db: Connection['db']
  readonly #logger: Logger
  readonly #missed: (Omit<Conclusion, 'answered'> & { id: number })[] = []

  constructor({ db, logger }: { db: Connection['db']; logger: Logger }) {
    this.#db = db
    this.#logger = logger
  }

  /**
   * Writes something to the ledger, and warns when that fails: the request then stands in the ledger as sent and without
   * an answer, so that its slot is never spent twice.
   * @returns what the write gave; null when it failed
   */
  async record<T>(write: () => Promise<T>): Promise<T | null> {
    try {
      return await write()
    } catch (error) {
      this.#logger.warn({ err: withoutParameters(error) }, 'cannot record what became of a request')
      return null
    }
  }

  /**
   * Records a request's conclusion, which the quota's report tells for ever; what cannot be recorded now is by
   * `recordMissed`.
   * @param after an earlier write about the request, which must come first
   */
  async conclude(id: number, conclusion: Conclusion, after: Promise<unknown>): Promise<void> {
    const isRecorded = await this.record(async () => {
      await after
      const lastedMs = await concludeRequest(this.#db, id, conclusion)
      if (lastedMs !== null) this.#logger.info({ lastedMs }, 'the provider answers again')
      return true
    })
    if (isRecorded === null && this.#missed.length < MAX_MISSED) this.#missed.push({ id, ...conclusion })
  }

  /** Records the conclusions that could not be recorded before. Never throws. */
  async recordMissed(): Promise<void> {
    for (const conclusion of this.#missed.splice(0)) {
      try {
        // An answer this old does not show that the provider answers now.
        await concludeRequest(this.#db, conclusion.id, { ...conclusion, answered: false })
      } catch {
        // PostgreSQL is away again, which other loops of the worker log.
        this.#missed.push(conclusion)
      }
    }
  }
}
