import { runMigrations } from 'bullmq'
import { Redis } from 'ioredis'
import { Client } from 'pg'
import type { ClientConfig } from 'pg'

/** Where the queue lives: Redis when there is one, otherwise the same PostgreSQL as the data. */
export type Backend = { kind: 'redis'; url: string } | { kind: 'postgres'; server: ClientConfig }

/** BullMQ's tables, where the queue is in PostgreSQL, stay apart from Stockpile's. */
export const QUEUE_SCHEMA = 'bullmq'

/** @param at.postgres where and how `pg` connects, all of it: what is not given it takes from PG* variables of the host */
export function chooseBackend(at: { redisUrl?: string | undefined; postgres: ClientConfig }): Backend {
  return at.redisUrl === undefined
    ? { kind: 'postgres', server: at.postgres }
    : { kind: 'redis', url: at.redisUrl }
}

/**
 * A Redis connection. A worker's never gives up (BullMQ requires it) and blocks while it waits for jobs; a
 * producer's commands end after 5 s, so that a frozen Redis holds nobody.
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

/** The longest statement adds 1,000 jobs, in a fraction of a second. Shorter than a job's lock lasts. */
const QUERY_TIMEOUT_MS = 5_000

/**
 * BullMQ makes this pool itself, and one connection more that listens for new jobs; it closes both. No statement
 * waits for ever: neither at the server, nor for an answer on a connection that vanished without a word, which the pool
 * then replaces. Listening itself is under no deadline: of a connection that listens and vanished TCP's probes tell.
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

/** Creates or upgrades BullMQ's tables in the database; nothing is to be done for a queue on Redis. */
export async function migrateQueue(server: ClientConfig): Promise<void> {
  const client = new Client({ ...server, application_name: 'stockpile-migrate' })
  // A connection lost between two statements ends the process unless somebody listens; the next statement rejects.
  client.on('error', () => undefined)
  await client.connect()
  try {
    await runMigrations(client, QUEUE_SCHEMA)
  } finally {
    await client.end()
  }
}
