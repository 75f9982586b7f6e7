import { tick } from '@stockpile/time/wait'
import type { Wait } from '@stockpile/domain/waiting'
import type { Logger } from 'pino'

/** What keeps this worker from sending anything. */
export interface Closed {
  wait: Wait
  /** Until when, as was last said. By `performance.now()`, which no setting of a clock moves. */
  untilMs: number
}

export interface GateDependencies {
  /** Why nothing may be sent now; null when it may. */
  ask: () => Promise<Wait | null>
  /** Keeps this worker from taking jobs, and lets it again. */
  pause: () => void
  resume: () => void
  /** Called at each look while the gate is closed. */
  onLook: () => void
  logger: Logger
}

/** However long a wait is said to be: what it waits for is looked at again so often. */
const LOOK_MS = 5_000
/** The next slot can be reserved a second ahead: who comes a little early loses none of it. */
export const EARLY_MS = 500

/** What is over by now may not be by the database's clock. */
const SOON_MS = 20
/** Whoever opens the log should not have to search for why nothing happens. */
const REMIND_MS = 10 * 60_000

/** The spacing within a second is how work goes on; of an outage who finds it out tells, once for all workers. */
function isTold(wait: Wait): boolean {
  return wait.for !== null && wait.for !== 'provider'
}

/**
 * Keeps this worker from taking jobs while nothing may be sent: by its own plan or key, or by what PostgreSQL says for
 * all. It looks at that again every few seconds, by a clock that only runs forward, so no wait outlives its cause, a
 * changed key, or a clock that was put right. The others have gates of their own.
 */
export class Gate {
  readonly #dependencies: GateDependencies
  #closed: Closed | null = null
  /** Ends the pause before the next look. */
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

  /** Takes no jobs until nothing keeps this worker from sending; looks when `wait` says that it is over, or earlier. */
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

  /** Looks at once: something has changed. */
  look(): void {
    this.#look.abort()
  }

  /** Looks no more. */
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
