import { tick } from '@stockpile/time/wait'
import type { Wait } from '@stockpile/domain/waiting'
import type { Logger } from 'pino'

/** What keeps this worker from sending anything. */
export interface Closed {
  wait: Wait
  /** The end of the wait as it was last announced, by `performance.now()`, which runs on when somebody sets a clock. */
  untilMs: number
}

export interface GateDependencies {
  /** Why nothing may be sent now; null when it may. */
  ask: () => Promise<Wait | null>
  /** `pause` keeps this worker from taking jobs, `resume` lets it take jobs again. */
  pause: () => void
  resume: () => void
  /** Called at each look while the gate is closed. */
  onLook: () => void
  logger: Logger
}

/** How often a closed gate asks again, however long the wait is said to be. */
const LOOK_MS = 5_000
/** A worker may come this much early for a slot, since the ledger reserves slots a second ahead. */
export const EARLY_MS = 500

/** A wait that is over by this process's clock may last so much longer by the database's. */
const SOON_MS = 20
/** How often the log repeats why the worker waits, so that the reason is near the end of the log. */
const REMIND_MS = 10 * 60_000

/**
 * Whether the log tells of a wait. The spacing within a second is normal work, and the worker that finds an outage tells of
 * it once for all workers.
 */
function isTold(wait: Wait): boolean {
  return wait.for !== null && wait.for !== 'provider'
}

/**
 * Keeps this worker from taking jobs while nothing may be sent, because of its own plan or key or because of what PostgreSQL
 * says for all workers. A closed gate asks again every few seconds, by a monotonic clock, so that no wait outlives its cause.
 * Each worker has a gate of its own.
 */
export class Gate {
  readonly #dependencies: GateDependencies
  #closed: Closed | null = null
  /** Aborting it ends the pause before the next look. */
  #look = new AbortController()
  #nextLookMs = 0
  #isStopped = false
  #remindAt = 0
  #watching: Promise<void> = Promise.resolve()

  constructor(dependencies: GateDependencies) {
    this.#dependencies = dependencies
  }

  /** Null while the gate is open. */
  get closed(): Closed | null {
    return this.#closed
  }

  /** Closes the gate until nothing keeps this worker from sending. It asks again at the end of `wait` at the latest. */
  close(wait: Wait): void {
    if (this.#isStopped) return
    const wasClosed = this.#closed !== null
    this.#note(wait)
    if (wasClosed) {
      if (performance.now() + wait.ms < this.#nextLookMs) this.look()
      return
    }
    this.#dependencies.pause()
    this.#watching = this.#watch()
  }

  /** Asks again at once, since something has changed. */
  look(): void {
    this.#look.abort()
  }

  /** Ends the looks for good. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#look.abort()
    await this.#watching
  }

  #note(wait: Wait): void {
    const before = this.#closed?.wait
    this.#closed = { wait, untilMs: performance.now() + wait.ms }
    if (!isTold(wait)) return
    if (before?.for === wait.for && before.reason === wait.reason && performance.now() < this.#remindAt)
      return
    this.#remindAt = performance.now() + REMIND_MS
    this.#dependencies.logger[wait.for === 'key' ? 'error' : 'info'](
      { waitsFor: wait.for, waitMs: wait.ms },
      `this worker waits: ${wait.reason}`,
    )
  }

  async #watch(): Promise<void> {
    const { ask, onLook, resume, logger } = this.#dependencies
    while (this.#closed !== null && !this.#isStopped) {
      const leftMs = this.#closed.untilMs - performance.now()
      const sleepMs = Math.min(LOOK_MS, leftMs > EARLY_MS ? leftMs - EARLY_MS : Math.max(leftMs, SOON_MS))
      this.#nextLookMs = performance.now() + sleepMs
      this.#look = new AbortController()
      await tick(sleepMs, this.#look.signal)
      if (this.#isStopped) return
      onLook()
      try {
        const wait = await ask()
        if (wait !== null) {
          this.#note(wait)
          continue
        }
      } catch (err) {
        logger.debug({ err }, 'cannot look whether this worker may send again')
        await tick(EARLY_MS, this.#look.signal)
        continue
      }
      if (isTold(this.#closed.wait)) logger.info({ waitedFor: this.#closed.wait.for }, 'this worker goes on')
      this.#closed = null
      resume()
    }
  }
}
