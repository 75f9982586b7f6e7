import { publishPlan } from '@stockpile/db/ledger'
import { publishRefusals } from '@stockpile/db/ledger-refusals'
import { onceAnswered, waitForSchema } from '@stockpile/db/ready'
import { createStartRun } from '@stockpile/db/runs'
import type { Limit } from '@stockpile/domain/limit'
import type { Provider } from '@stockpile/domain/provider'
import type { Wait } from '@stockpile/domain/waiting'
import type { Logger } from 'pino'
import { runHeartbeat } from './background/heartbeat.js'
import { createPresence } from './background/presence.js'
import { QueueProbe } from './background/queue-probe.js'
import type { Config } from './config.js'
import type { Connections } from './connections.js'
import { waitForApiKey } from './quota/api-key.js'

interface Dependencies {
  config: Config
  provider: Provider<Config['plan']>
  limits: readonly Limit[]
  connections: Connections
  apiKey: () => Promise<string>
  /** What keeps this worker from taking items; null while nothing does. */
  waiting: () => Wait | null
  logger: Logger
}

/**
 * Waits until this worker may work, up to a minute for PostgreSQL and without end for a key. As soon as PostgreSQL has the
 * schema, the plan and the provider's refusals are published, other programs see that this worker lives, and the first symbols are asked for.
 * @param options.signal ends the waits, by rejecting with its reason
 * @param options.inBackground is given each task that goes on until the worker stops
 * @throws SchemaVersionError, UnfitServerError, DatabaseNotReadyError or UnsafeRedisError, with a sentence for the person
 *   who started the worker
 */
export async function waitUntilReady(
  { config, provider, limits, connections, apiKey, waiting, logger }: Dependencies,
  options: {
    signal: AbortSignal
    inBackground: (task: (stopping: AbortSignal) => Promise<unknown>) => void
  },
): Promise<void> {
  const { plan, concurrency, symbols, heartbeatFile } = config
  const { db, queue, backend } = connections
  const { signal, inBackground } = options
  const patience = { onWaiting: (sentence: string) => logger.warn(sentence), signal }

  await waitForSchema(db, patience)
  await onceAnswered(() => publishPlan(db, { plan, limits }), patience)
  await onceAnswered(() => publishRefusals(db, provider.refusals), patience)
  signal.throwIfAborted()
  await connections.assertQueueSafe()

  const queueProbe = new QueueProbe()
  inBackground((stopping) => queueProbe.watch(queue, stopping))
  const self = { plan, limits, concurrency, queue: backend.kind }
  const queueProblem = () => queueProbe.problem
  const presence = await createPresence({ db, self, queueProblem, apiKey, waiting, logger })
  await presence.write()
  inBackground((stopping) => presence.keep(stopping))

  const startRun = await onceAnswered(() => createStartRun(db, symbols), patience)
  signal.throwIfAborted()
  if (startRun != null) logger.info({ run: startRun, symbols }, 'asked for the first symbols')
  if (heartbeatFile !== undefined)
    inBackground((stopping) => runHeartbeat({ file: heartbeatFile, db, queue, logger }, stopping))

  await waitForApiKey(apiKey, { logger, signal })
  await provider.warmUp().catch((err: unknown) => logger.debug({ err }, 'the first request may leave late'))
  signal.throwIfAborted()
}
