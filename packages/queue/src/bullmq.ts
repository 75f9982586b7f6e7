import { createPostgresBackend, withBackend } from 'bullmq'
import type { Job, Queue, Worker } from 'bullmq'
import type { JobData } from './job.js'

/** BullMQ's classes `Queue` and `Worker`, which keep their jobs in PostgreSQL instead of Redis. */
export const onPostgres = withBackend(createPostgresBackend)

// The result of every job is a `string`: one sentence for people who read the board.
export type RedisQueue = Queue<JobData, string>
export type PostgresQueue = InstanceType<typeof onPostgres.Queue<JobData, string>>
export type IngestQueue = RedisQueue | PostgresQueue
export type IngestWorker = Worker<JobData, string> | InstanceType<typeof onPostgres.Worker<JobData, string>>
export type IngestJob = Job<JobData, string>
