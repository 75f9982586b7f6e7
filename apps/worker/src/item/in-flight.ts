import type { Logger } from 'pino'
import type { Connection } from '@stockpile/db/connection'
import { withoutParameters } from '@stockpile/db/connection'
import { ClaimLostError, lostClaims } from '@stockpile/db/claim'
import type { ClaimedItem } from '@stockpile/db/claim'
import { warnOfErrors } from '@stockpile/log/repeated-errors'
import { tick } from '@stockpile/time/wait'

/** The reason with which a stopping worker aborts its items, which are then released. */
export class ShutdownError extends Error {
  override readonly name = 'ShutdownError'
}

/** The items that this worker holds, each with the way to abort its work. */
export class InFlight {
  readonly #held = new Map<number, { item: ClaimedItem; controller: AbortController }>()
  readonly #waiting: (() => void)[] = []
  #closed: Error | undefined

  /** Runs `work` with a signal that aborts when the item's claim is lost or the worker stops. */
  async hold<T>(item: ClaimedItem, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController()
    if (this.#closed !== undefined) controller.abort(this.#closed)
    this.#held.set(item.id, { item, controller })
    try {
      return await work(controller.signal)
    } finally {
      if (this.#held.get(item.id)?.controller === controller) this.#held.delete(item.id)
      if (this.#held.size === 0) for (const resolve of this.#waiting.splice(0)) resolve()
    }
  }

  /** Resolves when nothing is in flight. */
  drained(): Promise<void> {
    return this.#held.size === 0 ? Promise.resolve() : new Promise((resolve) => this.#waiting.push(resolve))
  }

  has(id: number | null): boolean {
    return id !== null && this.#held.has(id)
  }

  /** Whether a request for the symbol is in flight here, or about to be. An item that gives way to another does not count. */
  hasSymbol(symbol: string): boolean {
    return [...this.#held.values()].some(
      ({ item }) => item.symbol === symbol && (item.force || !item.isBeside),
    )
  }

  claims(): { id: number; claim: number }[] {
    return [...this.#held.values()].map(({ item }) => ({ id: item.id, claim: item.claim }))
  }

  abort(id: number, reason: Error): void {
    this.#held.get(id)?.controller.abort(reason)
  }

  /** Aborts all items in flight, and every later one at once, since a job can still arrive while BullMQ closes. */
  close(reason: Error): void {
    this.#closed = reason
    for (const { controller } of this.#held.values()) controller.abort(reason)
  }
}

/** With the time of one query this keeps a promise: the requests of a cancelled run end within a second. */
const WATCH_INTERVAL_MS = 400

/**
 * Watches, until `signal` aborts, whether this worker still holds the claims of its items in flight, and aborts the items
 * that a person cancelled or another worker took. Sends no query while nothing is in flight.
 */
export async function watchClaims(
  { db, inFlight, logger }: { db: Connection['db']; inFlight: InFlight; logger: Logger },
  signal: AbortSignal,
): Promise<void> {
  const warn = warnOfErrors(logger, 'cannot check whether items in flight were cancelled')
  while (await tick(WATCH_INTERVAL_MS, signal)) {
    const claims = inFlight.claims()
    try {
      const lost = new Set(await lostClaims(db, claims))
      for (const claim of claims) if (lost.has(claim.id)) inFlight.abort(claim.id, new ClaimLostError(claim))
    } catch (error) {
      // The fence in the storing transaction refuses every lost claim that is missed here.
      const reported = withoutParameters(error)
      warn(reported instanceof Error ? reported : new Error('an unknown value was thrown'))
    }
  }
}
