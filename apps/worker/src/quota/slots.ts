import type { Connection } from '@stockpile/db/connection'
import { discardRequest, isStillSlot, renewProbe, reserveRequest } from '@stockpile/db/ledger'
import type { Provider } from '@stockpile/domain/provider'
import type { FetchedOutputsize } from '@stockpile/domain/run'
import type { Limit } from '@stockpile/domain/limit'
import { tick } from '@stockpile/time/wait'
import { fingerprintOf } from './api-key.js'
import type { ByTheClock } from './database-clock.js'
import { QuotaWaitError, waitOf } from './quota-wait.js'
import { SlotLateness } from './slot-lateness.js'
import type { SlotTiming } from './slot-lateness.js'
import type { StorageHealth } from './storage-health.js'

/** What a request asks for, as the ledger records it. */
export interface QuotaRequest {
  itemId: number
  symbol: string
  function: string
  outputsize: FetchedOutputsize
}

/** A slot whose time is now. */
export interface Slot {
  /** The request's id in the ledger. */
  id: number
  /** Whether the request finds out what the key may have, or whether an outage is over. */
  probe: boolean
  timing: SlotTiming
}

interface Dependencies {
  db: Connection['db']
  provider: Pick<Provider, 'recall'>
  limits: readonly Limit[]
  storage: StorageHealth
  byTheClock: ByTheClock
  /** Called when a reserved slot became free again, so that waiting items may try at once. */
  onFreed: () => void
}

/** How long before its instant a slot is looked at again: requests before it may have left late since. */
const LOOK_AHEAD_MS = 150

/** A third of the time for which a probe keeps others from asking when it is not renewed. */
const PROBE_RENEWAL_MS = 2_000

/** Reserves slots in the ledger and waits for them. */
export class Slots {
  readonly #dependencies: Dependencies
  readonly #lateness: SlotLateness

  constructor(dependencies: Dependencies) {
    this.#dependencies = dependencies
    this.#lateness = new SlotLateness(dependencies.limits)
  }

  /**
   * Reserves a slot and resolves at its instant.
   * @throws QuotaWaitError when no slot can be reserved now; Refusal for what the key may not have; the reason
   *   of `signal`
   */
  async take(request: QuotaRequest, key: string, signal: AbortSignal): Promise<Slot> {
    const { db, provider, limits, storage } = this.#dependencies
    for (;;) {
      signal.throwIfAborted()
      const unstorable = await storage.ask()
      if (unstorable !== null) throw new QuotaWaitError(unstorable)
      const { reservation, timing } = await this.#reserve(request, key)
      if (!reservation.granted) {
        if (reservation.reason === 'storage') storage.doubt()
        if (reservation.reason === 'access')
          throw provider.recall(reservation.class, `${request.symbol}: ${reservation.detail}`)
        if (reservation.reason !== 'probing') throw new QuotaWaitError(waitOf(reservation))
        await tick(reservation.waitMs, signal)
        continue
      }
      const { id, waitMs, probe } = reservation
      timing.answered(reservation)
      const dueAt = performance.now() + waitMs
      if (waitMs > 2 * LOOK_AHEAD_MS) {
        await tick(waitMs - LOOK_AHEAD_MS, signal)
        if (!signal.aborted && !(await isStillSlot(db, id, limits))) {
          await discardRequest(db, id)
          continue
        }
      }
      await tick(Math.max(0, dueAt - performance.now()), signal)
      const mayGo = !signal.aborted && storage.wait === null
      if (mayGo && timing.lateMs() === 0) return { id, probe, timing }
      if (!mayGo) await this.free(id)
      else await discardRequest(db, id)
    }
  }

  /** Gives back a slot in which nothing was sent, for others that may be waiting. */
  async free(id: number): Promise<void> {
    await discardRequest(this.#dependencies.db, id)
    this.#dependencies.onFreed()
  }

  /**
   * Has the others wait for what a probe finds out; were this worker lost, they would stop waiting after some seconds.
   * @returns ends the renewal
   */
  keepProbing({ id, probe }: Slot): () => void {
    if (!probe) return () => {}
    // When every renewal fails the probe runs out after some seconds, and another worker may probe.
    const timer = setInterval(
      () => void renewProbe(this.#dependencies.db, id).catch(() => {}),
      PROBE_RENEWAL_MS,
    )
    return () => clearInterval(timer)
  }

  async #reserve(request: QuotaRequest, key: string) {
    const { db, limits, byTheClock } = this.#dependencies
    const fingerprint = fingerprintOf(key)
    let timing = this.#lateness.start()
    const reservation = await byTheClock(
      () => {
        timing = this.#lateness.start()
        return reserveRequest(db, { ...request, fingerprint, limits })
      },
      async (undone) => {
        if (undone.granted) await discardRequest(db, undone.id)
      },
    )
    return { reservation, timing }
  }
}
