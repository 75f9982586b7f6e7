import { createHash } from 'node:crypto'
import { AlphaVantageError, DISPOSITIONS } from '@stockpile/alphavantage/refusal'
import { withoutParameters } from '@stockpile/db/connection'
import type { Connection } from '@stockpile/db/connection'
import type { FetchedOutputsize, Wait } from '@stockpile/db/items'
import {
  concludeRequest,
  discardRequest,
  quotaFreesInMs,
  renewProbe,
  reserveRequest,
} from '@stockpile/db/ledger'
import type { Reservation } from '@stockpile/db/ledger'
import type { Limit } from '@stockpile/db/limits'
import type { Logger } from 'pino'
import { MissingKeyError } from './api-key.js'
import { bookRefusal } from './book-refusal.js'
import { tick } from './in-flight.js'
import { Lateness } from './lateness.js'

/** Nothing may be sent now, for this item or for any; the item waits, which costs it no attempt. */
export class QuotaWaitError extends Error {
  override readonly name = 'QuotaWaitError'
  readonly wait: Wait
  /** What the provider refused, when it was a request for this item. */
  readonly refusal: AlphaVantageError | null
  constructor(wait: Wait, refusal: AlphaVantageError | null = null) {
    super(wait.reason)
    this.wait = wait
    this.refusal = refusal
  }
}

export interface QuotaDependencies {
  db: Connection['db']
  apiKey: () => Promise<string>
  plan: string
  limits: readonly Limit[]
  /** Told that a slot which was taken is free again. */
  onFreed: () => Promise<void>
  logger: Logger
}

interface QuotaRequest {
  itemId: number
  symbol: string
  function: string
  outputsize: FetchedOutputsize
}

/** A key that does not work is looked at again so often; nothing is asked of the provider for that. */
const KEY_RECHECK_MS = 5_000

/** A third of what a probe lasts without. */
const PROBE_RENEWAL_MS = 2_000

export interface Quota {
  /**
   * Sends one request in a slot of the ledger and books what became of it.
   * @param send is given the key that the slot was taken for
   * @throws QuotaWaitError when nothing may be sent, or the provider refused for its limits or the key;
   *   AlphaVantageError for every other refusal; the reason of `signal`
   */
  send<T extends { bytes: number }>(
    request: QuotaRequest,
    send: (apiKey: string) => Promise<T>,
    signal: AbortSignal,
  ): Promise<{ requestId: number; answer: T; durationMs: number }>
}

export function createQuota({ db, apiKey, plan, limits, onFreed, logger }: QuotaDependencies): Quota {
  const lateness = new Lateness(limits)

  async function readKey(): Promise<string> {
    try {
      return await apiKey()
    } catch (error) {
      if (!(error instanceof MissingKeyError)) throw error
      throw new QuotaWaitError({
        for: 'key',
        reason: `${error.message}.`,
        ms: KEY_RECHECK_MS,
        refused: false,
      })
    }
  }

  /** @returns a slot whose time is now */
  async function takeSlot(request: QuotaRequest, key: string, signal: AbortSignal) {
    const fingerprint = fingerprintOf(key)
    for (;;) {
      signal.throwIfAborted()
      const asked = lateness.start()
      const reservation = await reserveRequest(db, { ...request, fingerprint, limits })
      if (!reservation.granted) {
        if (reservation.reason !== 'probing') throw withoutSlot(request.symbol, reservation)
        await tick(reservation.waitMs, signal)
        continue
      }
      asked.answered(reservation)
      await tick(reservation.waitMs, signal)
      if (!signal.aborted && asked.lateMs(reservation.slotMs) === 0) return { reservation, asked }
      if (signal.aborted) await giveBack(reservation.id)
      else await discardRequest(db, reservation.id)
    }
  }

  /** Nothing was sent: the slot is somebody else's, who may be waiting for one. */
  async function giveBack(id: number): Promise<void> {
    await discardRequest(db, id)
    await onFreed()
  }

  /** Until the function returned is called; were this worker lost, the others would soon not wait any longer. */
  function keepProbing(id: number): () => void {
    // Not renewed, it runs out: that is all.
    const timer = setInterval(() => void renewProbe(db, id).catch(() => {}), PROBE_RENEWAL_MS)
    return () => clearInterval(timer)
  }

  /** What was reserved but not granted: the remembered refusal again, or a wait. */
  function withoutSlot(symbol: string, reservation: Reservation & { granted: false }): Error {
    if (reservation.reason === 'entitlement')
      return new AlphaVantageError('entitlement', `${symbol}: ${reservation.detail}`, { sent: false })
    if (reservation.reason === 'key')
      return new QuotaWaitError({
        for: 'key',
        reason: reservation.detail,
        ms: KEY_RECHECK_MS,
        refused: false,
      })
    const reason =
      reservation.reason === 'blocked'
        ? reservation.detail
        : `The requests of this ${reservation.reason} are spent.`
    const waitingFor = reservation.reason === 'second' ? null : 'quota'
    return new QuotaWaitError({ for: waitingFor, reason, ms: reservation.waitMs, refused: false })
  }

  async function waitAfter(error: AlphaVantageError): Promise<QuotaWaitError> {
    const isKey = error.class === 'invalid_key' || error.class === 'demo_key'
    const ms = isKey ? KEY_RECHECK_MS : await quotaFreesInMs(db, limits)
    const reason = DISPOSITIONS[error.class].meaning
    return new QuotaWaitError({ for: isKey ? 'key' : 'quota', reason, ms, refused: !isKey }, error)
  }

  /** What cannot be booked stays in the book as sent and not heard of: it is never spent twice. */
  async function book(what: () => Promise<void>): Promise<void> {
    try {
      await what()
    } catch (error) {
      logger.warn({ err: withoutParameters(error) }, 'cannot book what became of a request')
    }
  }

  return {
    async send(request, send, signal) {
      const key = await readKey()
      const { reservation, asked } = await takeSlot(request, key, signal)
      const { id, slotMs } = reservation
      const endProbing = reservation.probe ? keepProbing(id) : () => {}
      const sentAt = performance.now()
      const elapsedMs = () => Math.round(performance.now() - sentAt)
      const answering = send(key)
      // Between the last look at the clock and the bytes on the wire this process may have stalled: what that took is
      // known some turns of its loop later, and windows then count from there.
      const stalling = turnsOfTheLoop().then(() => asked.lateMs(slotMs))
      const conclude = async (outcome: string, bytes = 0, durationMs = elapsedMs()) => {
        const movedMs = Math.max(await stalling, asked.arrivedLateMs(slotMs, durationMs))
        await concludeRequest(db, id, { outcome, durationMs, bytes, movedMs })
      }
      try {
        const answer = await answering.finally(endProbing)
        const durationMs = elapsedMs()
        await book(() => conclude('accepted', answer.bytes, durationMs))
        return { requestId: id, answer, durationMs }
      } catch (error) {
        if (!(error instanceof AlphaVantageError)) {
          // Given up in the middle, when it may have reached the provider.
          await book(() => conclude('aborted'))
          throw error
        }
        if (!error.sent) {
          await book(() => giveBack(id))
          throw error
        }
        await book(() => bookRefusal({ db, plan, limits, logger }, id, error))
        await book(() => conclude(error.class))
        throw error.disposition.outcome === 'snooze' ? await waitAfter(error) : error
      }
    },
  }
}

async function turnsOfTheLoop(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}

/** Tells keys apart without being one: 64 bits of a hash. */
function fingerprintOf(key: string): string {
  return createHash('sha256').update(key).digest('hex').slice(0, 16)
}
