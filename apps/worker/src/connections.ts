import { connect } from '@stockpile/db/connection'
import type { Connection } from '@stockpile/db/connection'
import { pgOptions } from '@stockpile/db/driver-options'
import type { Provider, ProviderConnection } from '@stockpile/domain/provider'
import { warnOfErrors } from '@stockpile/log/repeated-errors'
import { chooseBackend } from '@stockpile/queue/backend'
import type { Backend } from '@stockpile/queue/backend'
import { openQueue, openWorker } from '@stockpile/queue/queue'
import type { IngestQueue, IngestWorker, Opened, WorkOptions } from '@stockpile/queue/queue'
import { assertSafe, watchSafety } from '@stockpile/queue/redis-safety'
import type { Logger } from 'pino'
import type { Config } from './config.js'

/**
 * Storing a full history takes 0.3 s; 32 of them at once, every row restated, 11 s on two cores with four times the load
 * that they can bear. A statement that takes longer waits for a server that is stuck or gone.
 */
const STATEMENT_TIMEOUT_MS = 20_000
/** A lock that is held longer is a person's; shorter than a statement's time, so that the two can be told apart. */
const LOCK_TIMEOUT_MS = 5_000

/** All that a worker has open: PostgreSQL, the queue and the provider. */
export interface Connections {
  db: Connection['db']
  backend: Backend
  queue: IngestQueue
  /** The connection to the provider. */
  provider: ProviderConnection
  /** True while the queue may lack jobs that PostgreSQL says it was given: at the start, and after each new connection. */
  mayLackJobs: { value: boolean }
  /**
   * Checks that Redis keeps jobs, and from then on looks at every new connection, too.
   * @throws UnsafeRedisError when Redis would lose jobs or refuses the password
   */
  assertQueueSafe(): Promise<void>
  /** Opens the consuming side of the queue, which its caller closes. */
  openWorker(work: Omit<WorkOptions, 'backend' | 'prefix' | 'onError'>): Opened<IngestWorker>
  close(): Promise<void>
}

/** Opens them, without waiting for any server. */
export function openConnections(
  config: Config,
  provider: Provider<Config['plan']>,
  logger: Logger,
): Connections {
  const backend = chooseBackend({ redisUrl: config.redisUrl, postgres: pgOptions(config.databaseUrl) })
  const common = { backend, prefix: config.queuePrefix, onError: warnOfQueueErrors(logger) }
  const database = connect({
    databaseUrl: config.databaseUrl,
    applicationName: 'stockpile-worker',
    maxConnections: config.concurrency + 3,
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    lockTimeoutMs: LOCK_TIMEOUT_MS,
  })
  const mayLackJobs = { value: true }
  let isWatched = false
  const onConnect = () => {
    mayLackJobs.value = true
    if (isWatched) void watchSafety(backend, ({ message }) => logger.error(message))
  }
  const queue = openQueue({ ...common, onConnect })
  const connection = provider.connect({ baseUrl: config.baseUrl, proxy: config.proxy })
  return {
    db: database.db,
    backend,
    queue: queue.handle,
    provider: connection,
    mayLackJobs,
    async assertQueueSafe() {
      isWatched = true
      await assertSafe(backend, (doubt) => logger.warn(doubt))
    },
    openWorker: (work) => openWorker({ ...common, ...work }),
    async close() {
      await Promise.all([queue.close(), database.close(), connection.close()])
    },
  }
}

/** Warns of what the queue reports, each kind of error once a minute. */
function warnOfQueueErrors(logger: Logger): (error: Error) => void {
  const warn = warnOfErrors(logger, 'the queue reports an error')
  return (error) => {
    // The job was withdrawn while it was worked on, since its item was cancelled, which is logged elsewhere.
    if (/^Missing (key|lock) for job/.test(error.message))
      return logger.debug({ err: error }, 'a job is gone')
    warn(error)
  }
}
