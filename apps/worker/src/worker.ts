import { once } from 'node:events'
import { alphaVantage } from '@stockpile/alphavantage/provider'
import { limitsFor, WINDOWS_MS } from '@stockpile/db/limits'
import type { LimitName } from '@stockpile/domain/limit'
import type { Provider } from '@stockpile/domain/provider'
import type { Wait } from '@stockpile/domain/waiting'
import { recoverLostJobs } from '@stockpile/queue/jobs'
import { backoffMs } from '@stockpile/queue/retry-policy'
import { within } from '@stockpile/time/wait'
import type { Logger } from 'pino'
import { runDispatcher } from './background/dispatcher.js'
import { runHousekeeping } from './background/housekeeping.js'
import type { Config } from './config.js'
import { openConnections } from './connections.js'
import { InFlight, ShutdownError, watchClaims } from './item/in-flight.js'
import { Isolation } from './item/isolation.js'
import { processItem } from './item/process-item.js'
import { UnreleasedItems } from './item/unreleased-items.js'
import { apiKeySource } from './quota/api-key.js'
import { keepLooking } from './quota/database-clock.js'
import { Gate } from './quota/gate.js'
import { gapMs } from './quota/job-spacing.js'
import type { ProbeWaits } from './quota/outage-backoff.js'
import { createQuota } from './quota/quota.js'
import { StorageHealth } from './quota/storage-health.js'
import { waitUntilReady } from './start.js'

export interface RunningWorker {
  /**
   * Stops the worker: takes nothing new, lets what is in flight finish until `grace` aborts, releases the other items, and
   * closes every connection.
   */
  stop: (grace: AbortSignal) => Promise<void>
}

/** How long releasing items may take, after the grace. */
const RELEASE_MS = 2_000
/** After this long an item fails whose quota the provider always refuses: others use that quota, and a person must know. */
const REFUSED_CAP_DAYS = 7

/**
 * Starts a worker: waits until it may work (see `waitUntilReady`), then takes jobs. The queue may be away.
 * @param options.signal ends the waits of the start, by rejecting with its reason
 * @param options.retryAfterMs in place of the policy's backoff, for tests and benchmarks, which compress time; so are
 *   `windowsMs` for the real second, minute and day, and `probeWaits` for the waits of an outage
 * @throws what `waitUntilReady` throws
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
  const { signal, retryAfterMs = backoffMs, windowsMs = WINDOWS_MS, probeWaits } = options
  const { plan, concurrency } = config
  const limits = limitsFor(config.limits, windowsMs)
  const provider: Provider<Config['plan']> = alphaVantage
  const connections = openConnections(config, provider, logger)
  const { db, queue } = connections
  const stopping = new AbortController()
  const background: Promise<unknown>[] = []
  const inBackground = (task: (stopping: AbortSignal) => Promise<unknown>) =>
    void background.push(task(stopping.signal))
  /** Ends the tasks side by side, since each waits for its own deadline when its server is away. */
  const closeAll = async (others: Promise<unknown>[] = []) => {
    stopping.abort()
    await Promise.all([within(Promise.all(background), RELEASE_MS), ...others])
    await connections.close()
  }

  const apiKey = apiKeySource(config.key)
  const storage = new StorageHealth({
    db,
    onClosed: (wait) => gate.close(wait),
    onOpened: () => gate.look(),
    logger,
  })
  const onFreed = () => gate.look()
  const quota = createQuota({ db, provider, apiKey, plan, limits, storage, probeWaits, onFreed, logger })
  const gate = new Gate({
    ask: () => quota.ask(),
    pause: () => void worker.handle.pause(true),
    resume: () => void worker.handle.resume(),
    onLook: () => recoverLost(),
    logger,
  })
  const waiting = (): Wait | null =>
    gate.closed && { ...gate.closed.wait, ms: Math.max(0, gate.closed.untilMs - performance.now()) }

  try {
    await waitUntilReady(
      { config, provider, limits, connections, apiKey, waiting, logger },
      { signal, inBackground },
    )
  } catch (error) {
    await closeAll()
    throw error
  }

  const inFlight = new InFlight()
  const unreleased = new UnreleasedItems({ db, logger })
  const itemDependencies = {
    db,
    provider,
    clientFor: (key: string) => connections.provider.clientFor(key),
    viaProxy: connections.provider.viaProxy,
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
    fullHistory: provider.plans[plan].servesFullHistory,
    logger,
  }
  const spacingMs = gapMs(limits)
  const worker = connections.openWorker({
    process: (job, token) => processItem(itemDependencies, { job, token }),
    concurrency,
    gapMs: spacingMs,
  })
  const recoverLost = oneAtATime(() => recoverLostJobs(worker.handle), logger)
  const lookAtLedger = async () => {
    await quota.watchClock()
    await quota.recordMissed()
  }
  const { mayLackJobs } = connections
  const housekeeping = {
    db,
    watchClock: () => quota.watchClock(),
    logger,
    runRetentionDays: config.runRetentionDays,
  }
  inBackground(() => worker.handle.run())
  inBackground((until) => runDispatcher({ db, queue, mayLackJobs, logger }, until))
  inBackground((until) => watchClaims({ db, inFlight, logger }, until))
  inBackground((until) => unreleased.watch(until))
  inBackground((until) => keepLooking(lookAtLedger, logger, until))
  inBackground((until) => runHousekeeping(housekeeping, until))
  const { backend } = connections
  logger.info({ queue: backend.kind, plan, limits: config.limits, spacingMs, concurrency }, 'working')

  return {
    async stop(grace) {
      // Closing makes BullMQ take nothing new and wait for active jobs. A pause would not do: a request for jobs that is
      // under way would still bring one, and the pause for the provider's limits would have to end first.
      void worker.handle.close()
      const gateStopped = within(gate.stop(), RELEASE_MS)
      if (!grace.aborted) await Promise.race([inFlight.drained(), once(grace, 'abort')])
      inFlight.close(new ShutdownError('the worker stops'))
      await within(inFlight.drained(), RELEASE_MS)
      storage.stop()
      await closeAll([gateStopped, worker.close()])
    },
  }
}

/** Skips the work while an earlier call is under way: a queue that is away answers only once it is back. */
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
