import type { Proxy } from '@stockpile/test-harness/proxy'
import type postgres from 'postgres'
import type { RedisControl } from './redis-control.js'

/** Faults of the queue that are alike on Redis and in PostgreSQL. */
export interface QueueControl {
  /** From now on the queue takes and answers nothing; the data in PostgreSQL stays reachable. */
  freeze: () => Promise<void>
  /** Lets the queue go on. With `forget`, requests made meanwhile never reach it, since their sender is dead. */
  thaw: (options?: { forget: boolean }) => Promise<void>
  /** Removes all jobs. */
  empty: () => Promise<void>
}

export function redisQueue(redis: RedisControl, proxy: Proxy | undefined): QueueControl {
  return {
    async freeze() {
      if (proxy === undefined) redis.freeze()
      else proxy.freeze()
    },
    async thaw({ forget } = { forget: false }) {
      if (forget) proxy?.cut()
      if (proxy === undefined) redis.thaw()
      else proxy.thaw()
    },
    empty: async () => {
      await redis.ask((client) => client.flushall())
    },
  }
}

export function postgresQueue(sql: postgres.Sql): QueueControl {
  let lock: postgres.ReservedSql | undefined
  return {
    async freeze() {
      const reserved = await sql.reserve()
      try {
        await reserved`BEGIN`
        await reserved`LOCK TABLE bullmq.job IN ACCESS EXCLUSIVE MODE`
        lock = reserved
      } catch (error) {
        await reserved`ROLLBACK`.catch(() => {})
        reserved.release()
        throw error
      }
    },
    async thaw({ forget } = { forget: false }) {
      try {
        if (forget) {
          await sql`
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND application_name = 'stockpile-queue' AND wait_event_type = 'Lock'`
        }
      } finally {
        // A disturbance that takes PostgreSQL down meanwhile has ended this transaction already.
        if (lock !== undefined) await lock`ROLLBACK`.catch(() => {})
        lock?.release()
        lock = undefined
      }
    },
    empty: async () => {
      await sql.begin('READ WRITE', (tx) => tx`DELETE FROM bullmq.job`)
    },
  }
}
