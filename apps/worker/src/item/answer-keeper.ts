import { tick } from '@stockpile/time/wait'
import { isUnavailable, withoutParameters } from '@stockpile/db/connection'
import type { Connection } from '@stockpile/db/connection'
import type { Wait } from '@stockpile/domain/run'
import {
  clearStorageTrouble,
  explainTrouble,
  noteStorageTrouble,
  tryToStore,
} from '@stockpile/db/storage-state'
import { storageAdvice, storageRefusal, storageTrouble } from '@stockpile/db/storage-trouble'
import type { StorageTrouble } from '@stockpile/db/storage-trouble'
import type { Logger } from 'pino'

/** What was fetched could not be stored in the time of a statement, while another row could: it is its own fault. */
export class StorageTimeoutError extends Error {
  override readonly name = 'StorageTimeoutError'
  readonly trouble: StorageTrouble

  constructor(trouble: StorageTrouble) {
    super(trouble.detail)
    this.trouble = trouble
  }
}

/** Told that somebody holds a lock on what is to be stored, while other rows can be: who, in a sentence. */
type HeldUp = (reason: string) => Promise<void>

/** Waits between tries; the last again and again. Shorter than what a claim or a mark lasts. */
const WAITS_MS = [500, 2_000, 5_000]
export interface AnswerKeeperDependencies {
  db: Connection['db']
  /** Told that no request may go out, and that they may again. */
  onClosed: (wait: Wait) => void
  onOpened: () => void
  logger: Logger
}

/** How long whoever waits for storage does before it looks again. */
const LOOK_MS = 5_000
/** The others believe a mark for 15 s. */
const NOTE_INTERVAL_MS = 5_000
/** A lock on the rows of one symbol is waited for so long; then it is an attempt, so that people hear of it. */
const OWN_LOCK_MS = 5 * 60_000

/**
 * Keeps what a request brought until PostgreSQL has it, however long that takes, and lets no further request out
 * meanwhile: what is fetched cannot be stored either. Closed by the second failure, or by a try before a request; opened
 * by the first success.
 */
export class AnswerKeeper {
  readonly #dependencies: AnswerKeeperDependencies
  /** How many answers are kept that could not be stored yet. */
  #kept = 0
  #closed: { trouble: StorageTrouble; since: number; noting: NodeJS.Timeout } | undefined
  /** Whether rows could be stored when this was last found out; not so in a worker's first moments. */
  #isProven = false
  #proving: Promise<void> | undefined
  /** What is written of this for the others, one after another: the last word is the true one. */
  #noting: Promise<void> = Promise.resolve()

  constructor(dependencies: AnswerKeeperDependencies) {
    this.#dependencies = dependencies
  }

  /** Why no request may go out; null when it may. */
  get wait(): Wait | null {
    if (this.#closed === undefined) return null
    return { for: 'storage', reason: this.#closed.trouble.detail, ms: LOOK_MS, refused: false }
  }

  /**
   * Why no request may go out; null when it may. Tries a write first where it is not known that what a request brings can
   * be stored: before the first of a worker's life, and where whoever held what could not be stored is gone.
   * @throws when PostgreSQL is away
   */
  async ask(): Promise<Wait | null> {
    // Those who keep an answer try by themselves.
    if (this.#kept === 0 && (this.#closed !== undefined || !this.#isProven)) {
      this.#proving ??= this.#prove().finally(() => (this.#proving = undefined))
      await this.#proving
    }
    return this.wait
  }

  /** Another worker says that rows cannot be stored, and may be gone when it says so no more. */
  doubt(): void {
    this.#isProven = false
  }

  /** Says nothing more to the other workers. */
  stop(): void {
    this.#forget()
  }

  async #prove(): Promise<void> {
    try {
      await tryToStore(this.#dependencies.db)
      this.#isProven = true
      this.#open()
    } catch (error) {
      const trouble = storageTrouble(error) ?? (isUnavailable(error) ? null : storageRefusal(error))
      if (trouble === null) throw error
      this.#close(await this.#explain(trouble))
    }
  }

  /**
   * Writes what a request brought: its rows, or its failure.
   * @throws StorageTimeoutError for what can never be written in time; what PostgreSQL refuses of it alone; the
   *   reason of `signal`, when it is in vain until then
   */
  async keep<T>(
    write: () => Promise<T>,
    { signal, log, onHeldUp }: { signal: AbortSignal; log: Logger; onHeldUp?: HeldUp },
  ): Promise<T> {
    const since = performance.now()
    let failures = 0
    /** In a row, while another row could be stored. */
    let ownFailures = 0
    try {
      for (;;) {
        try {
          const result = await write()
          // The account of a failure may be written where rows cannot.
          if (this.#closed !== undefined && (await this.#canStore())) this.#open()
          return result
        } catch (error) {
          const isOfTheMoment = isUnavailable(error)
          const trouble = storageTrouble(error) ?? (isOfTheMoment ? null : storageRefusal(error))
          if (trouble === null && !isOfTheMoment) throw error
          const isOwn = trouble !== null && (await this.#isOwn(trouble))
          ownFailures = isOwn ? ownFailures + 1 : 0
          // Wrong itself, not kept out. What failed once may have failed just before another row could be stored again.
          if (ownFailures > 1 && !isOfTheMoment) throw error
          failures += 1
          if (failures === 1) this.#kept += 1
          const waitMs = WAITS_MS[Math.min(failures, WAITS_MS.length) - 1] ?? 0
          const level = failures === 1 ? 'warn' : 'debug'
          log[level](
            { err: withoutParameters(error), waitMs },
            'cannot store what was fetched; it is kept and tried again',
          )
          // Proven before this try and after it: what failed only at the end of a time when nothing could be stored is not.
          const isGivenUp = trouble?.class === 'too_slow' || performance.now() - since > OWN_LOCK_MS
          if (trouble !== null && ownFailures > 1 && isGivenUp)
            throw new StorageTimeoutError(await this.#explain(trouble))
          // The server is away: then nothing can be reserved either. Another row that failed too is the second failure.
          if (trouble !== null && !isOwn && (failures > 1 || mayBeOwn(trouble)))
            this.#close(await this.#explain(trouble))
          if (isOwn && trouble.class === 'locked') await this.#tellHeldUp(trouble, onHeldUp)
          await tick(waitMs, signal)
          if (signal.aborted)
            log.warn('what was fetched could not be stored and is given up: its request is lost')
          signal.throwIfAborted()
        }
      }
    } finally {
      if (failures > 0) {
        this.#kept -= 1
        // Nobody here finds out any more: whoever asks next does, before its request.
        if (this.#kept === 0 && this.#forget() !== undefined) {
          this.#isProven = false
          this.#dependencies.onOpened()
        }
      }
    }
  }

  /** Whether it is the answer's own, since another row can be stored; what is not known to be is everybody's. */
  async #isOwn(trouble: StorageTrouble): Promise<boolean> {
    return mayBeOwn(trouble) && (await this.#canStore())
  }

  async #canStore(): Promise<boolean> {
    try {
      await tryToStore(this.#dependencies.db)
      return true
    } catch {
      // Why is told by what was to be stored.
      return false
    }
  }

  async #explain(trouble: StorageTrouble): Promise<StorageTrouble> {
    try {
      return await explainTrouble(this.#dependencies.db, trouble)
    } catch {
      // What is known already is said.
      return trouble
    }
  }

  async #tellHeldUp(trouble: StorageTrouble, onHeldUp: HeldUp | undefined): Promise<void> {
    const { detail } = await this.#explain(trouble)
    // Told again at the next try.
    await onHeldUp?.(detail).catch((error: unknown) =>
      this.#dependencies.logger.debug(
        { err: withoutParameters(error) },
        'cannot note what an item waits for',
      ),
    )
  }

  #close(trouble: StorageTrouble): void {
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

  #open(): void {
    const closed = this.#forget()
    if (closed === undefined) return
    const seconds = Math.round((performance.now() - closed.since) / 1_000)
    this.#dependencies.logger.info(`rows can be stored again after ${seconds} s`)
    this.#tellOthers(() => clearStorageTrouble(this.#dependencies.db))
    // This worker looks at what the others are told, too.
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

/** A lock, a slow or a refused statement may be of one symbol alone. */
function mayBeOwn({ class: of }: StorageTrouble): boolean {
  return of === 'locked' || of === 'too_slow' || of === 'refused'
}
