import { createPostgresBackend, withBackend } from 'bullmq'
import type { Job, Queue, Worker } from 'bullmq'
import type { JobData } from './job.js'

/** BullMQ's classes on PostgreSQL. */
export const onPostgres = withBackend(createPostgresBackend)

// A job returns one sentence for the board.
export type RedisQueue = Queue<JobData, string>
export type PostgresQueue = InstanceType<typeof onPostgres.Queue<JobData, string>>
export type IngestQueue = RedisQueue | PostgresQueue
export type IngestWorker = Worker<JobData, string> | InstanceType<typeof onPostgres.Worker<JobData, string>>
export type IngestJob = Job<JobData, string>
