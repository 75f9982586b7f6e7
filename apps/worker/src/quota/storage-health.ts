import { isUnavailable, withoutParameters } from '@stockpile/db/connection'
import type { Connection } from '@stockpile/db/connection'
import type { Wait } from '@stockpile/domain/waiting'
import {
  clearStorageTrouble,
  explainTrouble,
  noteStorageTrouble,
  tryToStore,
} from '@stockpile/db/storage-state'
import { storageAdvice, storageRefusal, storageTrouble } from '@stockpile/db/storage-trouble'
import type { StorageTrouble } from '@stockpile/db/storage-trouble'
import type { Logger } from 'pino'

export interface StorageHealthDependencies {
  db: Connection['db']
  /** Called when no request may go out, since rows cannot be stored. */
  onClosed: (wait: Wait) => void
  /** Called when requests may go out again. */
  onOpened: () => void
  logger: Logger
}

/** How long an item that waits for storage waits before somebody looks again. */
const LOOK_MS = 5_000
/** The other workers believe a mark for 15 s, so it is renewed this often. */
const NOTE_INTERVAL_MS = 5_000

/**
 * Knows whether PostgreSQL takes rows, so that no request is sent whose answer could not be stored. While PostgreSQL takes
 * none, a mark there tells the other workers.
 */
export class StorageHealth {
  readonly #dependencies: StorageHealthDependencies
  /** How many answers of this worker are kept that could not be stored yet. */
  #kept = 0
  #closed: { trouble: StorageTrouble; since: number; noting: NodeJS.Timeout } | undefined
  /** Whether a row could be stored at the last try; false until the first. */
  #isProven = false
  #proving: Promise<void> | undefined
  /** Ends when the other workers were told last: one write after another, so that the newest word stays. */
  #noting: Promise<void> = Promise.resolve()

  constructor(dependencies: StorageHealthDependencies) {
    this.#dependencies = dependencies
  }

  /** Why no request may go out, as far as is known; null when one may. */
  get wait(): Wait | null {
    if (this.#closed === undefined) return null
    return { for: 'storage', reason: this.#closed.trouble.detail, ms: LOOK_MS, refused: false }
  }

  /**
   * Tells why no request may go out; null when one may. Tries to store a row first where nobody knows whether that works:
   * before a worker's first request, after `doubt`, and when no answer is left whose tries would find out.
   * @throws when PostgreSQL is away
   */
  async ask(): Promise<Wait | null> {
    if (this.#kept === 0 && (this.#closed !== undefined || !this.#isProven)) {
      this.#proving ??= this.#prove().finally(() => (this.#proving = undefined))
      await this.#proving
    }
    return this.wait
  }

  /** Has the next `ask` try by itself: another worker said that rows cannot be stored, and may be gone since. */
  doubt(): void {
    this.#isProven = false
  }

  /** Stops telling the other workers. */
  stop(): void {
    this.#forget()
  }

  /**
   * Counts one more answer that is kept until it can be stored.
   * @returns ends the counting; must be called once
   */
  countKept(): () => void {
    this.#kept += 1
    return () => {
      this.#kept -= 1
      if (this.#kept > 0 || this.#forget() === undefined) return
      // No answer is left whose tries would find out: the next `ask` does, before its request.
      this.#isProven = false
      this.#dependencies.onOpened()
    }
  }

  /** Whether a row can be stored now. */
  async canStore(): Promise<boolean> {
    try {
      await tryToStore(this.#dependencies.db)
      return true
    } catch {
      // The caller knows why already, from its own write that failed.
      return false
    }
  }

  /** The trouble with more of its circumstances, such as who holds a lock, as far as PostgreSQL tells. */
  async explain(trouble: StorageTrouble): Promise<StorageTrouble> {
    try {
      return await explainTrouble(this.#dependencies.db, trouble)
    } catch {
      return trouble
    }
  }

  /** Lets no request out until rows can be stored. */
  close(trouble: StorageTrouble): void {
    if (this.#closed === undefined) {
      const noting = setInterval(() => this.#note(), NOTE_INTERVAL_MS)
      this.#closed = { trouble, since: performance.now(), noting }
      const advice = storageAdvice(trouble.class)
      this.#dependencies.logger.error(
        { class: trouble.class, advice },
        `rows cannot be stored, and nothing is asked for until they can: ${trouble.detail}`,
      )
    } else this.#closed.trouble = trouble
    if (this.wait !== null) this.#dependencies.onClosed(this.wait)
    this.#note()
  }

  /** Lets requests out again when a row can be stored: something was written, and a failure can be where rows cannot. */
  async openIfStorable(): Promise<void> {
    if (this.#closed !== undefined && (await this.canStore())) this.#open()
  }

  async #prove(): Promise<void> {
    try {
      await tryToStore(this.#dependencies.db)
      this.#isProven = true
      this.#open()
    } catch (error) {
      const trouble = storageTrouble(error) ?? (isUnavailable(error) ? null : storageRefusal(error))
      if (trouble === null) throw error
      this.close(await this.explain(trouble))
    }
  }

  #open(): void {
    const closed = this.#forget()
    if (closed === undefined) return
    const seconds = Math.round((performance.now() - closed.since) / 1_000)
    this.#dependencies.logger.info(`rows can be stored again after ${seconds} s`)
    this.#tellOthers(() => clearStorageTrouble(this.#dependencies.db))
    // Only after the mark is cleared: this worker's gate looks at the mark, too.
    void this.#noting.then(this.#dependencies.onOpened)
  }

  #note(): void {
    this.#tellOthers(async () => {
      if (this.#closed === undefined) return
      const { trouble, since } = this.#closed
      await noteStorageTrouble(this.#dependencies.db, trouble, performance.now() - since)
    })
  }

  #tellOthers(write: () => Promise<void>): void {
    this.#noting = this.#noting
      .then(write)
      .catch((error: unknown) =>
        this.#dependencies.logger.debug(
          { err: withoutParameters(error) },
          'cannot tell the other workers about storing',
        ),
      )
  }

  #forget(): { since: number } | undefined {
    const closed = this.#closed
    if (closed === undefined) return undefined
    clearInterval(closed.noting)
    this.#closed = undefined
    return closed
  }
}
