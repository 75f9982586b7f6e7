import { once } from 'node:events'
import { alphaVantage } from '@stockpile/alphavantage/provider'
import { connect } from '@stockpile/db/connection'
import { pgOptions } from '@stockpile/db/driver-options'
import type { Wait } from '@stockpile/domain/run'
import type { Provider } from '@stockpile/domain/provider'
import { publishPlan } from '@stockpile/db/ledger'
import { publishRefusals } from '@stockpile/db/ledger-refusals'
import { limitsFor, WINDOWS_MS } from '@stockpile/db/limits'
import { onceAnswered, waitForSchema } from '@stockpile/db/ready'
import { createStartRun } from '@stockpile/db/runs'
import { warnOfErrors } from '@stockpile/log/repeated-errors'
import { chooseBackend } from '@stockpile/queue/backend'
import { recoverLostJobs } from '@stockpile/queue/jobs'
import { openQueue, openWorker } from '@stockpile/queue/queue'
import { assertSafe, watchSafety } from '@stockpile/queue/redis-safety'
import { backoffMs } from '@stockpile/queue/retry-policy'
import type { Logger } from 'pino'
import type { LimitName } from '@stockpile/domain/limit'
import { within } from '@stockpile/time/wait'
import { apiKeySource, waitForApiKey } from './quota/api-key.js'
import type { Config } from './config.js'
import { keepLooking } from './quota/database-clock.js'
import { runDispatcher } from './background/dispatcher.js'
import { Gate } from './quota/gate.js'
import { runHeartbeat } from './background/heartbeat.js'
import { runHousekeeping } from './background/housekeeping.js'
import { InFlight, ShutdownError, watchClaims } from './item/in-flight.js'
import { Isolation } from './item/isolation.js'
import type { ProbeWaits } from './quota/outage-backoff.js'
import { UnreleasedItems } from './item/unreleased-items.js'
import { keepPresent } from './background/presence.js'
import { processItem } from './item/process-item.js'
import { QueueProbe } from './background/queue-probe.js'
import { createQuota } from './quota/quota.js'
import { StorageHealth } from './quota/storage-health.js'
import { gapMs } from './quota/job-spacing.js'

export interface RunningWorker {
  /**
   * Takes nothing new, lets what is in flight finish until `grace` aborts, puts the rest back, and closes every
   * connection.
   */
  stop: (grace: AbortSignal) => Promise<void>
}

/** The time that putting items back may take, after the grace. */
const PUT_BACK_MS = 2_000
/**
 * Storing a full history takes 0.3 s; 32 of them at once, every row restated, 11 s on two cores with four times the load
 * that they can bear. Whoever waits longer waits for a server that is stuck or gone, and its items with it.
 */
const STATEMENT_TIMEOUT_MS = 20_000
/** Whoever waits longer for a lock waits for a person's: that is told apart from a statement that is itself too slow. */
const LOCK_TIMEOUT_MS = 5_000
/** Refused so long, an item's quota is somebody else's for good: a person has to know. */
const REFUSED_CAP_DAYS = 7

/**
 * Starts to work: dispatcher, claim watch and BullMQ worker. Waits up to a minute for the database, and as long as it
 * takes for a key; needs no queue yet.
 * @param options.signal ends those waits, by rejecting with its reason
 * @param options.retryAfterMs instead of the policy's backoff, and `windowsMs` instead of the real second, minute and
 *   day, and `probeWaits` instead of those of an outage: for tests and benchmarks, which compress time
 * @throws SchemaVersionError, UnfitServerError, DatabaseNotReadyError or UnsafeRedisError with a sentence for the person who started it
 */
export async function startWorker(
  config: Config,
  logger: Logger,
  options: {
    signal: AbortSignal
    retryAfterMs?: (attempt: number) => number
    windowsMs?: Record<LimitName, number>
    probeWaits?: ProbeWaits | undefined
  },
): Promise<RunningWorker> {
  const { signal, retryAfterMs = backoffMs } = options
  const backend = chooseBackend({ redisUrl: config.redisUrl, postgres: pgOptions(config.databaseUrl) })
  const common = { backend, prefix: config.queuePrefix, onError: logOnce(logger) }
  const { db, close } = connect({
    databaseUrl: config.databaseUrl,
    applicationName: 'stockpile-worker',
    maxConnections: config.concurrency + 3,
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    lockTimeoutMs: LOCK_TIMEOUT_MS,
  })
  const doubtful = { value: true }
  let starting = true
  const onConnect = () => {
    doubtful.value = true
    if (!starting) void watchSafety(backend, ({ message }) => logger.error(message))
  }
  const queue = openQueue({ ...common, onConnect })
  const stopping = new AbortController()
  const background: Promise<unknown>[] = []
  const windowsMs = options.windowsMs ?? WINDOWS_MS
  const limits = limitsFor(config.limits, windowsMs)
  const provider: Provider<Config['plan']> = alphaVantage
  const connection = provider.connect({ baseUrl: config.baseUrl, proxy: config.proxy })
  /** Side by side: each waits for its deadline when its server is away, and whoever stops us has one for them all. */
  const closeAll = async (others: Promise<unknown>[] = []) => {
    stopping.abort()
    await Promise.all([within(Promise.all(background), PUT_BACK_MS), ...others])
    await Promise.all([queue.close(), close(), connection.close()])
  }

  const apiKey = apiKeySource(config.key)
  const waiting = { now: (): Wait | null => null }
  try {
    const patience = { onWaiting: (sentence: string) => logger.warn(sentence), signal }
    await waitForSchema(db, patience)
    await onceAnswered(() => publishPlan(db, { plan: config.plan, limits }), patience)
    await onceAnswered(() => publishRefusals(db, provider.refusals), patience)
    signal.throwIfAborted()
    // From here on each connection is looked at: one before is by the next line.
    starting = false
    await assertSafe(backend, (doubt) => logger.warn(doubt))
    const { concurrency, plan } = config
    const queueProbe = new QueueProbe()
    background.push(queueProbe.watch(queue.handle, stopping.signal))
    const { present } = await keepPresent(
      {
        db,
        self: { plan, limits, concurrency, queue: backend.kind },
        queueProblem: () => queueProbe.problem,
        apiKey,
        waiting: () => waiting.now(),
        logger,
      },
      stopping.signal,
    )
    background.push(present)
    const startRun = await onceAnswered(() => createStartRun(db, config.symbols), patience)
    signal.throwIfAborted()
    if (startRun != null)
      logger.info({ run: startRun, symbols: config.symbols }, 'asked for the first symbols')
    if (config.heartbeatFile !== undefined) {
      const beating = { file: config.heartbeatFile, db, queue: queue.handle, logger }
      background.push(runHeartbeat(beating, stopping.signal))
    }
    await waitForApiKey(apiKey, { logger, signal })
    await provider.warmUp().catch((err: unknown) => logger.debug({ err }, 'the first request may leave late'))
    signal.throwIfAborted()
  } catch (error) {
    await closeAll()
    throw error
  }

  const inFlight = new InFlight()
  const storage = new StorageHealth({
    db,
    onClosed: (wait) => gate.close(wait),
    onOpened: () => gate.look(),
    logger,
  })
  const quota = createQuota({
    db,
    provider,
    apiKey,
    plan: config.plan,
    limits,
    storage,
    probeWaits: options.probeWaits,
    onFreed: () => gate.look(),
    logger,
  })
  const unreleased = new UnreleasedItems({ db, logger })
  const recoverLost = oneAtATime(() => recoverLostJobs(worker.handle), logger)
  const gate = new Gate({
    ask: () => quota.ask(),
    pause: () => void worker.handle.pause(true),
    resume: () => void worker.handle.resume(),
    onLook: () => recoverLost(),
    logger,
  })
  waiting.now = () =>
    gate.closed && { ...gate.closed.wait, ms: Math.max(0, gate.closed.untilMs - performance.now()) }
  const dependencies = {
    db,
    provider,
    clientFor: (key: string) => connection.clientFor(key),
    viaProxy: connection.viaProxy,
    quota,
    storage,
    inFlight,
    isolation: new Isolation(),
    unreleased,
    policy: {
      backoffMs: retryAfterMs,
      closeGate: (wait: Wait) => gate.close(wait),
      refusedCapMs: REFUSED_CAP_DAYS * windowsMs.day,
    },
    isClosed: () => gate.closed !== null,
    fullHistory: provider.plans[config.plan].servesFullHistory,
    logger,
  }
  const spacingMs = gapMs(limits)
  const worker = openWorker({
    ...common,
    process: (job, token) => processItem(dependencies, { job, token }),
    concurrency: config.concurrency,
    gapMs: spacingMs,
  })
  background.push(
    worker.handle.run(),
    runDispatcher({ db, queue: queue.handle, doubtful, logger }, stopping.signal),
    watchClaims({ db, inFlight, logger }, stopping.signal),
    unreleased.watch(stopping.signal),
    keepLooking(
      async () => {
        await quota.watchClock()
        await quota.recordMissed()
      },
      logger,
      stopping.signal,
    ),
    runHousekeeping(
      { db, watchClock: () => quota.watchClock(), logger, runRetentionDays: config.runRetentionDays },
      stopping.signal,
    ),
  )
  logger.info(
    {
      queue: backend.kind,
      plan: config.plan,
      limits: config.limits,
      spacingMs,
      concurrency: config.concurrency,
    },
    'working',
  )

  return {
    async stop(grace) {
      // From here on BullMQ takes nothing new, and waits for what is active. Pausing it would not do: a wait
      // for jobs that is under way would still take one, and a pause for the provider's limits be sat out.
      void worker.handle.close()
      const gateStopped = within(gate.stop(), PUT_BACK_MS)
      if (!grace.aborted) await Promise.race([inFlight.drained(), once(grace, 'abort')])
      inFlight.close(new ShutdownError('the worker stops'))
      await within(inFlight.drained(), PUT_BACK_MS)
      storage.stop()
      await closeAll([gateStopped, worker.close()])
    },
  }
}

/** Does the work unless it is still under way: a queue that is away owes its answer until it is back. */
function oneAtATime(work: () => Promise<void>, logger: Logger): () => void {
  let isUnderWay = false
  return () => {
    if (isUnderWay) return
    isUnderWay = true
    void work()
      .catch((err: unknown) => logger.debug({ err }, 'cannot hand out the jobs of lost workers'))
      .finally(() => (isUnderWay = false))
  }
}

/** What the queue reports, each kind once a minute. */
function logOnce(logger: Logger): (error: Error) => void {
  const warn = warnOfErrors(logger, 'the queue reports an error')
  return (error) => {
    // The job was withdrawn while it was worked on: its item was cancelled, and says so.
    if (/^Missing (key|lock) for job/.test(error.message))
      return logger.debug({ err: error }, 'a job is gone')
    warn(error)
  }
}
