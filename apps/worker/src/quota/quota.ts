import { Refusal } from '@stockpile/domain/refusal'
import type { Provider } from '@stockpile/domain/provider'
import type { Connection } from '@stockpile/db/connection'
import type { Wait } from '@stockpile/domain/waiting'
import { moveSlot } from '@stockpile/db/ledger'
import type { Limit } from '@stockpile/domain/limit'
import type { Logger } from 'pino'
import { fingerprintOf } from './api-key.js'
import { watchDatabaseClock } from './database-clock.js'
import { LedgerGate } from './ledger-gate.js'
import { isUnanswered, noteFailure } from './outage-backoff.js'
import type { ProbeWaits } from './outage-backoff.js'
import { QuotaWaitError } from './quota-wait.js'
import { blockReason, recordRefusal } from './record-refusal.js'
import { RequestRecords } from './request-records.js'
import { Slots } from './slots.js'
import type { QuotaRequest } from './slots.js'
import { asksToSlowDown, Slowdown } from './slowdown.js'
import type { StorageHealth } from './storage-health.js'

export interface QuotaDependencies {
  db: Connection['db']
  provider: Pick<Provider, 'recall' | 'requestsPerDayIn'>
  apiKey: () => Promise<string>
  plan: string
  limits: readonly Limit[]
  /** In place of the plan's, for tests, which compress time. */
  probeWaits?: ProbeWaits | undefined
  storage: StorageHealth
  /** Called when a reserved slot became free again, so that waiting items may try at once. */
  onFreed: () => void
  logger: Logger
}

export interface Quota {
  /** Tells why no request of this worker may be sent now, whatever it asks for; null when one may. Reserves nothing. */
  ask: () => Promise<Wait | null>
  /** Looks whether the database's clock was set, and tells the ledger: for a worker that has nothing to send. */
  watchClock: () => Promise<void>
  /** Records what became of requests while PostgreSQL could not be told. */
  recordMissed: () => Promise<void>
  /**
   * Sends one request in a slot of the ledger and records what became of it.
   * @param send is given the key that the slot was reserved for, and calls `onDeparture` when the request has left
   * @throws QuotaWaitError when nothing may be sent, or the provider refused for its limits or the key;
   *   Refusal for every other one; the reason of `signal`
   */
  send<T extends { bytes: number }>(
    request: QuotaRequest,
    send: (apiKey: string, onDeparture: () => void) => Promise<T>,
    signal: AbortSignal,
  ): Promise<{ requestId: number; answer: T; durationMs: number }>
}

export function createQuota(dependencies: QuotaDependencies): Quota {
  const { db, provider, apiKey, plan, limits, storage, probeWaits, onFreed, logger } = dependencies
  const byTheClock = watchDatabaseClock(db, logger)
  const gate = new LedgerGate({ db, apiKey, limits, storage, byTheClock })
  const slots = new Slots({ db, provider, limits, storage, byTheClock, onFreed })
  const records = new RequestRecords({ db, logger })
  const slowdown = new Slowdown()

  /** What the item of a recorded refusal waits for: as long as the ledger lets nothing be sent. */
  async function waitAfter(error: Refusal, symbol: string): Promise<QuotaWaitError> {
    const isKey = error.scope === 'key'
    const ms = (await gate.ask())?.ms ?? 0
    const reason = blockReason(error, symbol)
    return new QuotaWaitError(
      { for: isKey ? 'key' : 'quota', reason, ms, refused: !isKey },
      { refusal: error },
    )
  }

  return {
    ask: () => gate.ask(),
    watchClock: () => gate.watchClock(),
    recordMissed: () => records.recordMissed(),
    async send(request, send, signal) {
      const key = await gate.readKey()
      if (typeof key !== 'string') throw new QuotaWaitError(key)
      const slot = await slots.take(request, key, signal)
      const { id, timing } = slot
      const endProbing = slots.keepProbing(slot)
      const sentAt = performance.now()
      const elapsedMs = () => Math.round(performance.now() - sentAt)
      // Since the last look at the clock this process may have stalled, or a connection had to be made. Windows count from
      // the departure, which the others should learn before the answer comes.
      let departedLateMs = 0
      let moving: Promise<unknown> = Promise.resolve()
      const answering = send(key, () => {
        departedLateMs = timing.lateMs()
        if (departedLateMs > 0) moving = records.record(() => moveSlot(db, id, departedLateMs))
      })
      const conclude = (outcome: string, answered: boolean, bytes = 0, durationMs = elapsedMs()) => {
        const movedMs = Math.max(0, timing.arrivedLateMs(durationMs) - departedLateMs)
        return records.conclude(id, { outcome, answered, durationMs, bytes, movedMs }, moving)
      }
      try {
        const answer = await answering.finally(endProbing)
        const durationMs = elapsedMs()
        slowdown.answered()
        await conclude('accepted', true, answer.bytes, durationMs)
        return { requestId: id, answer, durationMs }
      } catch (thrown) {
        const error = thrown instanceof Refusal ? slowdown.judge(thrown, sentAt) : thrown
        if (!(error instanceof Refusal)) {
          // Given up under way: the request may have reached the provider.
          await conclude('aborted', false)
          throw error
        }
        // Every other refusal is an answer, too, and shows that the provider no longer asks to slow down.
        if (!isUnanswered(error) && !asksToSlowDown(error)) slowdown.answered()
        const { symbol } = request
        const wait = isUnanswered(error)
          ? await records.record(() =>
              noteFailure({ db, limits, waits: probeWaits, logger }, { id, symbol }, error),
            )
          : null
        if (error.sent) {
          const refused = { id, fingerprint: fingerprintOf(key), symbol }
          await records.record(() => recordRefusal({ db, provider, plan, limits, logger }, refused, error))
          await conclude(error.class, !isUnanswered(error))
        } else await records.record(() => slots.free(id))
        if (wait !== null) throw new QuotaWaitError(wait, { isBehind: true })
        throw error.sent && error.disposition.action === 'snooze' ? await waitAfter(error, symbol) : error
      }
    },
  }
}
