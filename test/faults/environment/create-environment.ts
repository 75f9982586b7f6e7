import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startSimulator } from '@stockpile/alphavantage/simulator'
import type { Arrival } from '@stockpile/alphavantage/simulator'
import { pgOptions } from '@stockpile/db/driver-options'
import type { PlanLimits } from '@stockpile/domain/limit'
import { chooseBackend } from '@stockpile/queue/backend'
import { openQueue } from '@stockpile/queue/queue'
import type { IngestQueue, Opened } from '@stockpile/queue/queue'
import { waitFor } from '@stockpile/test-harness/process'
import { startProxy } from '@stockpile/test-harness/proxy'
import { urlAs } from '@stockpile/test-harness/roles'
import postgres from 'postgres'
import { startSettableClock } from '../../servers/settable-clock.js'
import { watchArrivals } from './arrival-bounds.js'
import type { Backend } from './backends.js'
import { API_KEY } from './canary.js'
import { watchCauses } from './cause-watch.js'
import type { Environment, EnvironmentOptions } from './environment.js'
import { createHttp } from './http.js'
import { startPostgres } from './postgres-server.js'
import { createPrograms } from './programs.js'
import { postgresQueue, redisQueue } from './queue-control.js'
import type { Random } from './random.js'
import { startRedisControl } from './redis-control.js'
import type { Servers } from './servers.js'

const DEFAULT_LIMITS: PlanLimits = { perSecond: 10, perMinute: 0, perDay: 0 }
const DEADLINE_MS = 60_000
/** How many connections `Environment.sql` opens. */
export const ADMIN_CONNECTIONS = 8
const QUEUE_PREFIX = 'faults'

/**
 * Starts the servers, the upstream and the programs of one system under test.
 * @param of.name names the database and the folder: small letters, digits and _
 */
export async function createEnvironment(
  servers: Servers,
  options: EnvironmentOptions,
  { name, backend, random }: { name: string; backend: Backend; random: Random },
): Promise<Environment> {
  const closers: (() => Promise<unknown>)[] = []
  const close = async () => {
    for (const one of closers.splice(0).toReversed()) await one()
  }
  try {
    return await build()
  } catch (error) {
    await close()
    throw error
  }

  async function build(): Promise<Environment> {
    const { watchdog } = servers
    const limits = options.limits ?? DEFAULT_LIMITS
    const keyFile = join(servers.folder, `${name}.key`)
    await writeFile(keyFile, API_KEY)

    const clock = options.settableClock
      ? await startSettableClock(join(servers.folder, `${name}_clock`)).catch(() => null)
      : null
    const variables = clock?.variables ?? {}
    const server = options.ownPostgres
      ? await startPostgres(join(servers.folder, `${name}_postgres`), watchdog, variables)
      : servers.postgres
    if (server !== servers.postgres) closers.push(() => server.stop())
    await server.createDatabase(name)
    // A server that was stopped comes back on another port, which the proxy hides.
    const adminProxy = options.ownPostgres ? await startProxy(server.adminUrlOf(name)) : undefined
    if (adminProxy !== undefined) closers.push(() => adminProxy.close())
    const adminUrl = adminProxy?.url ?? server.adminUrlOf(name)
    const sql = postgres(adminUrl, { max: ADMIN_CONNECTIONS, onnotice: () => {}, backoff: () => 0.1 })
    closers.push(() => sql.end({ timeout: 5 }))

    const proxied = async (kind: 'postgres' | 'redis', target: string) => {
      if (!options.proxies?.includes(kind) && !(kind === 'postgres' && options.ownPostgres)) return undefined
      const proxy = await startProxy(target)
      closers.push(() => proxy.close())
      return proxy
    }
    const postgresProxy = await proxied('postgres', server.appUrlOf(name))
    const databaseUrl = postgresProxy?.url ?? server.appUrlOf(name)
    const redisFolder = join(servers.folder, `${name}_redis`)
    const redis =
      backend === 'redis'
        ? await startRedisControl(servers.redisProgram, redisFolder, watchdog, options.redisSettings)
        : null
    if (redis !== null) closers.push(() => redis.close())
    const redisProxy = redis === null ? undefined : await proxied('redis', redis.url)

    const arrivalBounds = watchArrivals()
    closers.push(async () => arrivalBounds.close())
    const listeners: ((arrival: Arrival) => void)[] = [arrivalBounds.note]
    const simulator = await startSimulator({
      now: servers.now,
      latencyMs: options.latencyMs,
      onArrival: (arrival) => {
        for (const listener of listeners) listener(arrival)
      },
    })
    closers.push(() => simulator.close())

    const common = {
      ...variables,
      ...(redis === null ? {} : { REDIS_URL: redisProxy?.url ?? redis.url }),
      QUEUE_PREFIX,
      LOG_LEVEL: 'debug',
    }
    const programs = createPrograms({
      api: { ...common, DATABASE_URL: urlAs('stockpile_api', databaseUrl), PORT: '0' },
      worker: {
        ...common,
        DATABASE_URL: urlAs('stockpile_worker', databaseUrl),
        ALPHAVANTAGE_BASE_URL: simulator.url,
        ...(options.keyFile ? { ALPHAVANTAGE_API_KEY_FILE: keyFile } : { ALPHAVANTAGE_API_KEY: API_KEY }),
        // A plan that includes the full history; the limits below replace its own.
        ALPHAVANTAGE_PLAN: '75',
        ALPHAVANTAGE_REQUESTS_PER_SECOND: String(limits.perSecond),
        ALPHAVANTAGE_REQUESTS_PER_MINUTE: String(limits.perMinute),
        ALPHAVANTAGE_REQUESTS_PER_DAY: String(limits.perDay),
        WORKER_CONCURRENCY: String(options.concurrency ?? 4),
        SYMBOLS: '',
      },
    })
    closers.push(() => programs.close())
    const http = createHttp(() => programs.api?.url)
    closers.push(() => http.close())
    const causes = watchCauses(http)
    closers.push(() => causes.close())

    const until = async (what: string, ask: () => unknown, deadlineMs = DEADLINE_MS) => {
      await waitFor(async () => Boolean(await ask()), { deadlineMs, what })
    }
    let opened: Opened<IngestQueue> | undefined
    const jobs = () => {
      const backendOf = chooseBackend({ redisUrl: redis?.url, postgres: pgOptions(server.appUrlOf(name)) })
      opened ??= openQueue({ backend: backendOf, prefix: QUEUE_PREFIX, onError: () => {} })
      return opened.handle
    }
    closers.push(async () => opened?.close())
    const environment: Environment = {
      backend,
      random,
      limits,
      options,
      servers,
      sql,
      databaseUrl,
      postgres: server,
      postgresProxy,
      redis,
      async crashPostgres() {
        if (!options.ownPostgres) throw new Error('This environment shares its PostgreSQL with others')
        await postgresProxy?.refuse()
        await server.crash()
      },
      async restartPostgres() {
        await server.restart()
        adminProxy?.cut()
        adminProxy?.retarget(server.adminUrlOf(name))
        postgresProxy?.retarget(server.appUrlOf(name))
        await postgresProxy?.accept()
      },
      clock,
      jobs,
      queue: redis === null ? postgresQueue(sql) : redisQueue(redis, redisProxy),
      programs,
      http,
      causes,
      simulator,
      keyFile,
      onArrival: (listener) => listeners.push(listener),
      until,
      drained: (deadlineMs) => until('the end of everything accepted', () => isDrained(sql), deadlineMs),
      arrivalBounds,
      dayBegins: [],
      close,
    }
    await Promise.all([
      ...(options.api === false ? [] : [programs.startApi()]),
      ...Array.from({ length: options.workers ?? 1 }, () => programs.startWorker()),
    ])
    return environment
  }
}

async function isDrained(sql: postgres.Sql): Promise<boolean> {
  const [left] = await sql<{ items: number }[]>`
    SELECT count(*)::int AS items FROM ingest_items WHERE state IN ('pending', 'running')`
  return left?.items === 0
}
