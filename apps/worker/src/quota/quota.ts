import { AlphaVantageError } from '@stockpile/alphavantage/refusal'
import { withoutParameters } from '@stockpile/db/connection'
import type { Connection } from '@stockpile/db/connection'
import type { Wait, FetchedOutputsize } from '@stockpile/domain/run'
import {
  concludeRequest,
  discardRequest,
  isStillSlot,
  moveSlot,
  readGate,
  renewProbe,
  reserveRequest,
} from '@stockpile/db/ledger'
import type { ClosedGate, Conclusion } from '@stockpile/db/ledger'
import type { Logger } from 'pino'
import type { Limit } from '@stockpile/domain/limit'
import { tick } from '@stockpile/time/wait'
import { fingerprintOf, MissingKeyError } from './api-key.js'
import { blockDetail, bookRefusal } from './record-refusal.js'
import { watchDatabaseClock } from './database-clock.js'
import { EARLY_MS } from './gate.js'
import { Lateness } from './slot-lateness.js'
import { isUnanswered, noteFailure, outageReason } from './outage.js'
import type { ProbeWaits } from './outage.js'
import { Slowdown } from './slowdown.js'

/** Nothing may be sent now, for this item or for any; the item waits, which costs it no attempt. */
export class QuotaWaitError extends Error {
  override readonly name = 'QuotaWaitError'
  readonly wait: Wait
  /** What the provider refused, when it was a request for this item. */
  readonly refusal: AlphaVantageError | null
  /** Whether its job goes behind those of the others: it was sent in vain, and the next may fare better. */
  readonly isBehind: boolean
  constructor(wait: Wait, { refusal, isBehind }: { refusal?: AlphaVantageError; isBehind?: boolean } = {}) {
    super(wait.reason)
    this.wait = wait
    this.refusal = refusal ?? null
    this.isBehind = isBehind ?? false
  }
}

/** Whether what a request brings could be stored; see AnswerKeeper. */
interface Storage {
  /** Why rows cannot be stored, as far as is known; null while they can. */
  readonly wait: Wait | null
  /** Finds it out before a request is sent in vain. */
  ask(): Promise<Wait | null>
  /** Has the next `ask` find it out again: another worker says that rows cannot be stored. */
  doubt(): void
}

export interface QuotaDependencies {
  db: Connection['db']
  apiKey: () => Promise<string>
  plan: string
  limits: readonly Limit[]
  /** In place of the plan's, for tests, which compress time. */
  probeWaits?: ProbeWaits | undefined
  storage: Storage
  /** Told that a slot which was taken is free again. */
  onFreed: () => void
  logger: Logger
}

interface QuotaRequest {
  itemId: number
  symbol: string
  function: string
  outputsize: FetchedOutputsize
}

/** A key that is missing is looked for again so often. */
const KEY_RECHECK_MS = 5_000

/** A slot that is waited for is looked at again so long before it: those before it may have left late. */
const LOOK_AHEAD_MS = 150

/** A third of what a probe lasts without. */
const PROBE_RENEWAL_MS = 2_000

/** In an absence of PostgreSQL no worker sends so many. */
const MOST_UNBOOKED = 1_000

export interface Quota {
  /** Why no request of this worker may be sent now, whatever it asks for; null when one may. Takes nothing. */
  ask: () => Promise<Wait | null>
  /** Looks whether the database's clock was set, and tells the ledger: for a worker that has nothing to send. */
  watchClock: () => Promise<void>
  /** Books what became of requests while PostgreSQL could not be told. */
  bookLeft: () => Promise<void>
  /**
   * Sends one request in a slot of the ledger and books what became of it.
   * @param send is given the key that the slot was taken for, and tells when the request has left
   * @throws QuotaWaitError when nothing may be sent, or the provider refused for its limits or the key;
   *   AlphaVantageError for every other refusal; the reason of `signal`
   */
  send<T extends { bytes: number }>(
    request: QuotaRequest,
    send: (apiKey: string, onDeparture: () => void) => Promise<T>,
    signal: AbortSignal,
  ): Promise<{ requestId: number; answer: T; durationMs: number }>
}

export function createQuota(dependencies: QuotaDependencies): Quota {
  const { db, apiKey, plan, limits, storage, probeWaits, onFreed, logger } = dependencies
  const lateness = new Lateness(limits)
  const slowdown = new Slowdown()
  const unbooked: (Omit<Conclusion, 'answered'> & { id: number })[] = []
  const byTheClock = watchDatabaseClock(db, logger)

  /** @returns the key, or why the worker waits for one */
  async function readKey(): Promise<string | Wait> {
    try {
      return await apiKey()
    } catch (error) {
      if (!(error instanceof MissingKeyError)) throw error
      return { for: 'key', reason: `${error.message}.`, ms: KEY_RECHECK_MS, refused: false }
    }
  }

  async function ask(): Promise<Wait | null> {
    const unstorable = await storage.ask()
    if (unstorable !== null) return unstorable
    const key = await readKey()
    if (typeof key !== 'string') return key
    const closed = await readGateOf(fingerprintOf(key))
    return closed === null ? null : waitFor(closed)
  }

  async function readGateOf(fingerprint: string): Promise<ClosedGate | null> {
    const read = () => readGate(db, { limits, fingerprint, aheadMs: EARLY_MS })
    const { closed } = await byTheClock(read, () => Promise.resolve())
    if (closed?.reason === 'storage') storage.doubt()
    return closed
  }

  /** @returns a slot whose time is now */
  async function takeSlot(request: QuotaRequest, key: string, signal: AbortSignal) {
    const fingerprint = fingerprintOf(key)
    for (;;) {
      signal.throwIfAborted()
      const unstorable = await storage.ask()
      if (unstorable !== null) throw new QuotaWaitError(unstorable)
      let asked = lateness.start()
      const reservation = await byTheClock(
        () => {
          asked = lateness.start()
          return reserveRequest(db, { ...request, fingerprint, limits })
        },
        async (undone) => {
          if (undone.granted) await discardRequest(db, undone.id)
        },
      )
      if (!reservation.granted) {
        if (reservation.reason === 'storage') storage.doubt()
        if (reservation.reason === 'entitlement')
          throw new AlphaVantageError('entitlement', `${request.symbol}: ${reservation.detail}`, {
            sent: false,
          })
        if (reservation.reason !== 'probing') throw new QuotaWaitError(waitFor(reservation))
        await tick(reservation.waitMs, signal)
        continue
      }
      asked.answered(reservation)
      const { id, waitMs } = reservation
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
      if (mayGo && asked.lateMs(reservation.slotMs) === 0) return { reservation, asked }
      if (!mayGo) await giveBack(id)
      else await discardRequest(db, id)
    }
  }

  /** Nothing was sent: the slot is somebody else's, who may be waiting for one. */
  async function giveBack(id: number): Promise<void> {
    await discardRequest(db, id)
    onFreed()
  }

  /** Until the function returned is called; were this worker lost, the others would soon not wait any longer. */
  function keepProbing(id: number): () => void {
    // Not renewed, it runs out: that is all.
    const timer = setInterval(() => void renewProbe(db, id).catch(() => {}), PROBE_RENEWAL_MS)
    return () => clearInterval(timer)
  }

  /** Until when the ledger, which has booked the refusal, lets nothing be sent. */
  async function waitAfter(error: AlphaVantageError, symbol: string): Promise<QuotaWaitError> {
    const isKey = error.class === 'invalid_key' || error.class === 'demo_key'
    const ms = (await ask())?.ms ?? 0
    const reason = blockDetail(error, symbol)
    return new QuotaWaitError(
      { for: isKey ? 'key' : 'quota', reason, ms, refused: !isKey },
      { refusal: error },
    )
  }

  /** What cannot be booked stays in the book as sent and not heard of: it is never spent twice. */
  async function book<T>(what: () => Promise<T>): Promise<T | null> {
    try {
      return await what()
    } catch (error) {
      logger.warn({ err: withoutParameters(error) }, 'cannot book what became of a request')
      return null
    }
  }

  return {
    ask,
    async watchClock() {
      await readGateOf('')
    },
    async bookLeft() {
      for (const conclusion of unbooked.splice(0)) {
        try {
          // So late it says nothing of whether the provider answers now.
          await concludeRequest(db, conclusion.id, { ...conclusion, answered: false })
        } catch {
          // PostgreSQL is away again, which others say.
          unbooked.push(conclusion)
        }
      }
    },
    async send(request, send, signal) {
      const key = await readKey()
      if (typeof key !== 'string') throw new QuotaWaitError(key)
      const { reservation, asked } = await takeSlot(request, key, signal)
      const { id, slotMs } = reservation
      const endProbing = reservation.probe ? keepProbing(id) : () => {}
      const sentAt = performance.now()
      const elapsedMs = () => Math.round(performance.now() - sentAt)
      // Between the last look at the clock and the bytes on the wire this process may have stalled, or a connection had to
      // be made: windows count from there, and the others should not learn it only with the answer.
      let departedLateMs = 0
      let moving: Promise<unknown> = Promise.resolve()
      const answering = send(key, () => {
        departedLateMs = asked.lateMs(slotMs)
        if (departedLateMs > 0) moving = book(() => moveSlot(db, id, departedLateMs))
      })
      // What requests were spent on is told for ever: what cannot be booked now is once PostgreSQL answers.
      const conclude = async (outcome: string, answered: boolean, bytes = 0, durationMs = elapsedMs()) => {
        const movedMs = Math.max(0, asked.arrivedLateMs(slotMs, durationMs) - departedLateMs)
        const conclusion = { outcome, durationMs, bytes, movedMs }
        const isBooked = await book(async () => {
          await moving
          const lastedMs = await concludeRequest(db, id, { ...conclusion, answered })
          if (lastedMs !== null) logger.info({ lastedMs }, 'the provider answers again')
          return true
        })
        if (isBooked === null && unbooked.length < MOST_UNBOOKED) unbooked.push({ id, ...conclusion })
      }
      try {
        const answer = await answering.finally(endProbing)
        const durationMs = elapsedMs()
        slowdown.answered()
        await conclude('accepted', true, answer.bytes, durationMs)
        return { requestId: id, answer, durationMs }
      } catch (thrown) {
        const error = thrown instanceof AlphaVantageError ? slowdown.judge(thrown, sentAt) : thrown
        // An answer, too, though a refusal: whoever asked to slow down has ended that.
        if (error instanceof AlphaVantageError && !isUnanswered(error) && error.class !== 'throttled')
          slowdown.answered()
        if (!(error instanceof AlphaVantageError)) {
          // Given up in the middle, when it may have reached the provider.
          await conclude('aborted', false)
          throw error
        }
        const wait = isUnanswered(error)
          ? await book(() =>
              noteFailure({ db, limits, waits: probeWaits, logger }, { id, symbol: request.symbol }, error),
            )
          : null
        if (error.sent) {
          const { symbol } = request
          await book(() =>
            bookRefusal({ db, plan, limits, logger }, { id, fingerprint: fingerprintOf(key), symbol }, error),
          )
          await conclude(error.class, !isUnanswered(error))
        } else await book(() => giveBack(id))
        if (wait !== null) throw new QuotaWaitError(wait, { isBehind: true })
        throw error.sent && error.disposition.outcome === 'snooze'
          ? await waitAfter(error, request.symbol)
          : error
      }
    },
  }
}

function waitFor(closed: ClosedGate): Wait {
  const { waitMs: ms } = closed
  if (closed.reason === 'key') return { for: 'key', reason: closed.detail, ms, refused: false }
  if (closed.reason === 'outage')
    return { for: 'provider', reason: outageReason(closed.detail), ms, refused: false }
  if (closed.reason === 'storage') return { for: 'storage', reason: closed.detail, ms, refused: false }
  const reason =
    closed.reason === 'blocked' ? closed.detail : `The requests of this ${closed.reason} are spent.`
  return { for: closed.reason === 'second' ? null : 'quota', reason, ms, refused: false }
}
