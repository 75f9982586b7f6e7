import { runMigrations } from 'bullmq'
import { Redis } from 'ioredis'
import { Client } from 'pg'
import type { ClientConfig } from 'pg'

/** Where the queue lives: in Redis when a Redis is configured, otherwise in the PostgreSQL that holds the data. */
export type Backend = { kind: 'redis'; url: string } | { kind: 'postgres'; server: ClientConfig }

/** The schema of BullMQ's tables in PostgreSQL, which keeps them apart from Stockpile's tables. */
export const QUEUE_SCHEMA = 'bullmq'

/**
 * Chooses Redis when its URL is given, and PostgreSQL otherwise.
 * @param at.postgres everything that `pg` needs to connect, since `pg` takes a missing setting from the host's PG* variables
 */
export function chooseBackend(at: { redisUrl?: string | undefined; postgres: ClientConfig }): Backend {
  return at.redisUrl === undefined
    ? { kind: 'postgres', server: at.postgres }
    : { kind: 'redis', url: at.redisUrl }
}

/**
 * Connects to Redis. The connection of a worker never gives up, as BullMQ requires, and blocks while it waits for jobs.
 * A command of a producer fails after 5 s, so that a frozen Redis blocks no caller.
 */
export function connectRedis(url: string, role: 'worker' | 'producer'): Redis {
  return new Redis(url, {
    connectionName: `stockpile-${role}`,
    maxRetriesPerRequest: role === 'worker' ? null : 1,
    connectTimeout: 5_000,
    retryStrategy: (times) => Math.min(100 * 2 ** times, 2_000),
    ...(role === 'producer' ? { commandTimeout: 5_000 } : {}),
  })
}

/** Outlasts the longest statement, which adds 1,000 jobs in a fraction of a second; a job's lock lasts longer, 15 s. */
const QUERY_TIMEOUT_MS = 5_000

/**
 * The options of the pool that BullMQ makes and closes, beside one more connection that listens for new jobs. Every
 * statement has a deadline, at the server and at the client, so that the pool replaces a connection that silently vanished.
 * Listening has no deadline: TCP's keepalive probes find out that the listening connection vanished.
 */
export function poolOptions(server: ClientConfig, maxConnections: number): Record<string, unknown> {
  return {
    ...server,
    schema: QUEUE_SCHEMA,
    max: maxConnections,
    statement_timeout: QUERY_TIMEOUT_MS,
    query_timeout: QUERY_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    application_name: 'stockpile-queue',
  }
}

/** Creates or upgrades BullMQ's tables in PostgreSQL; a queue on Redis needs no tables. */
export async function migrateQueue(server: ClientConfig): Promise<void> {
  const client = new Client({ ...server, application_name: 'stockpile-migrate' })
  // Without a listener, a connection lost between two statements ends the process. The next statement rejects anyway.
  client.on('error', () => undefined)
  await client.connect()
  try {
    await runMigrations(client, QUEUE_SCHEMA)
  } finally {
    await client.end()
  }
}
