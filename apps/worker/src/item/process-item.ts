import type { Logger } from 'pino'
import type { Client } from '@stockpile/alphavantage'
import type { Connection } from '@stockpile/db/connection'
import { failAttempt } from '@stockpile/db/fail-attempt'
import { noteStorageWait, backoffLeftMs, snoozeItem, takeItem } from '@stockpile/db/items'
import { finishNeedless } from '@stockpile/db/needless'
import { storeSeries } from '@stockpile/db/store-series'
import type { ClaimedItem } from '@stockpile/db/claim'
import type { FetchedSeries } from '@stockpile/db/store-series'
import { noteSyntheticData } from '@stockpile/db/synthetic-data'
import { InvalidJobError, itemIdOf, parseJobData } from '@stockpile/queue/job'
import type { IngestJob } from '@stockpile/queue/queue'
import { DelayedError, RateLimitError, UnrecoverableError } from 'bullmq'
import type { NeedlessOutcome } from '@stockpile/domain/run'
import { AllRowsRejectedError, KnownFailureError, PoisonError } from './failures.js'
import type { Asked } from './failures.js'
import { fetchSeries } from './fetch-series.js'
import type { InFlight } from './in-flight.js'
import type { Isolation } from './isolation.js'
import { JobNotes } from './job-notes.js'
import { conclude, postpone } from './conclude.js'
import type { Outcomes } from './conclude.js'
import type { Postponed } from './postponed.js'
import type { Quota } from '../quota/quota.js'
import type { AnswerKeeper } from './answer-keeper.js'

export interface ItemDependencies {
  db: Connection['db']
  /** The client that sends with this key. */
  clientFor: (apiKey: string) => Client
  quota: Quota
  storage: AnswerKeeper
  inFlight: InFlight
  isolation: Isolation
  postponed: Postponed
  outcomes: Outcomes
  /** Whether a proxy is set, for advice. */
  viaProxy: boolean
  /** Whether nothing may be sent now, so that nothing is to be taken. */
  isClosed: () => boolean
  /** Whether the plan serves `outputsize=full`. */
  fullHistory: boolean
  logger: Logger
}

/**
 * The way of one symbol: take the item, wait for a slot, fetch, check (the client does), store and finish in one
 * transaction.
 * @returns one sentence for the board
 * @throws what tells BullMQ how to go on; `conclude` decides
 */
export async function processItem(
  dependencies: ItemDependencies,
  job: IngestJob,
  token: string | undefined,
): Promise<string> {
  const { isolation, isClosed } = dependencies
  // Taken while the worker was being kept from taking any: it goes back as it came.
  if (isClosed()) throw new RateLimitError()
  return job.stalledCounter > 0
    ? isolation.alone(() => processTaken(dependencies, job, token, { alone: true }))
    : isolation.beside(() => processTaken(dependencies, job, token, { alone: false }))
}

async function processTaken(
  dependencies: ItemDependencies,
  job: IngestJob,
  token: string | undefined,
  { alone }: { alone: boolean },
): Promise<string> {
  const { db, inFlight, logger } = dependencies
  // The queue took it for lost, as when it was away itself: what this worker holds it has not lost.
  if (inFlight.has(itemIdOf(job.id))) return putOff(job, token, HELD_WAIT_MS)
  const item = await takeJob(dependencies, job, token, alone)
  if (item === null) return leave(dependencies, job, token)
  const log = logger.child({
    run: item.runId,
    item: item.id,
    symbol: item.symbol,
    attempt: item.attempts + 1,
  })
  const notes = new JobNotes(job, log)
  const asked: Asked = { outputsize: null }
  // Taken at the same moment as another of its symbol: neither saw the other in the database.
  const isBeside = item.isBeside || inFlight.hasSymbol(item.symbol)
  return inFlight.hold(item, async (signal) => {
    try {
      signal.throwIfAborted()
      if (item.loneLosses >= MAX_LONE_LOSSES) throw new PoisonError(item.loneLosses)
      if (item.needless !== null) {
        const settled = await settle(db, item, item.needless, log)
        notes.complete()
        return settled
      }
      if (item.knownFailure !== null) throw new KnownFailureError(item.knownFailure)
      if (isBeside && !item.force) return await yieldToOther(db, item, job, token)
      const { series, synthetic, bytes, fetchMs } = await fetchSeries(dependencies, item, {
        notes,
        asked,
        signal,
      })
      notes.add(`${describe(series)} in ${bytes} bytes after ${fetchMs} ms`)
      if (series.bars.count + series.provisional === 0)
        throw new AllRowsRejectedError(series.rejected, series.dropped)

      const store = async () => {
        // Before the rows: no reader may meet them unsaid.
        if (synthetic) await noteSyntheticData(db)
        return storeSeries(db, item, series)
      }
      const stored = await dependencies.storage.keep(store, {
        signal,
        log,
        onHeldUp: (reason) => noteStorageWait(db, item, reason),
      })
      const summary = `${stored.inserted} inserted, ${stored.updated} updated, ${stored.unchanged} unchanged`
      const { outputsize, historyLimited, provisional } = series
      const rejected = series.rejected.length + series.dropped
      log.info({ outputsize, historyLimited, fetchMs, bytes, ...stored, rejected, provisional }, 'stored')
      notes.complete()
      return summary
    } catch (error) {
      return await conclude(
        { ...dependencies, logger: log },
        { job, token, item, asked, signal, notes },
        error,
      )
    } finally {
      await notes.written()
    }
  })
}

/**
 * A job whose item was not to be taken. The queue says by the workers' clocks when it is due, of which one may be wrong,
 * and what it lost is due at once: PostgreSQL decides.
 */
async function leave(
  { db, logger }: ItemDependencies,
  job: IngestJob,
  token: string | undefined,
): Promise<string> {
  const waitMs = await backoffLeftMs(db, itemIdOf(job.id) ?? 0).catch((error: unknown) =>
    postpone(logger, job, token, error),
  )
  if (waitMs === 0) return 'nothing to do: the item is finished or was cancelled'
  return putOff(job, token, waitMs)
}

/** How long the second job of an item stays away that is in this worker's hands. */
const HELD_WAIT_MS = 5_000

async function putOff(job: IngestJob, token: string | undefined, ms: number): Promise<never> {
  await job.moveToDelayed(Date.now() + ms, token)
  throw new DelayedError()
}

/** How long an item stays away while another of its symbol is worked on, whose answer will very likely be its own too. */
const BESIDE_WAIT_MS = 2_000

async function yieldToOther(
  db: ItemDependencies['db'],
  item: ClaimedItem,
  job: IngestJob,
  token: string | undefined,
): Promise<never> {
  const reason = 'Another run fetches this symbol at the moment.'
  await snoozeItem(db, item, { for: null, reason, ms: BESIDE_WAIT_MS, refused: false })
  return putOff(job, token, BESIDE_WAIT_MS)
}

async function settle(
  db: ItemDependencies['db'],
  item: ClaimedItem,
  outcome: NeedlessOutcome,
  log: Logger,
): Promise<string> {
  await finishNeedless(db, item, outcome)
  log.info({ outcome }, 'no request is needed')
  return outcome === 'coalesced' ? 'another run has fetched it meanwhile' : 'nothing new can be had yet'
}

/** Its worker lost that often while it worked on nothing else, an item is not tried again. */
const MAX_LONE_LOSSES = 2

/** A payload that cannot be understood ends its item for good, with the reason, and never blocks the queue. */
async function takeJob(
  { db, fullHistory, postponed, logger }: ItemDependencies,
  job: IngestJob,
  token: string | undefined,
  alone: boolean,
): Promise<ClaimedItem | null> {
  try {
    await postponed.excuse()
    return await takeItem(db, parseJobData(job.data).itemId, { alone, fullHistory })
  } catch (error) {
    if (!(error instanceof InvalidJobError)) {
      // The answer alone may be lost, and the item taken.
      if (alone) postponed.note({ id: itemIdOf(job.id), claim: null })
      return postpone(logger, job, token, error)
    }
    logger.error({ job: job.id, class: error.class }, error.message)
    const itemId = itemIdOf(job.id)
    const item = itemId === null ? null : await takeItem(db, itemId)
    if (item !== null) {
      const advice = 'Let workers and API run the same version of Stockpile, then ask for the symbol again.'
      await failAttempt(
        db,
        item,
        { class: error.class, detail: error.message, advice, httpStatus: null, evidence: null },
        { final: true },
      )
    }
    throw new UnrecoverableError(error.message)
  }
}

function describe({ bars, rejected, dropped, newestRejected, provisional }: FetchedSeries): string {
  const parts = [`${bars.count} rows`]
  const count = rejected.length + dropped
  if (count > 0) parts.push(`${count} rejected${newestRejected ? ', the newest among them' : ''}`)
  if (provisional > 0) parts.push(`${provisional} of an open session left out`)
  return parts.join(', ')
}
