import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from '@stockpile/db/connection'
import { pgOptions } from '@stockpile/db/driver-options'
import { getRun } from '@stockpile/db/run-status'
import { createRun } from '@stockpile/db/runs'
import { chooseBackend } from '@stockpile/queue/backend'
import { enqueue } from '@stockpile/queue/jobs'
import { openQueue } from '@stockpile/queue/queue'
import { peakResidentBytes } from '@stockpile/test/memory'
import { startProgram } from '@stockpile/test/programs'
import { DEADLINE_MS } from './contestants.js'
import type { Contestant } from './contestants.js'

/** Requests that the worker has under way at a time, and connections of COPY. */
export const CONCURRENCY = 10

/**
 * The worker as production runs it, in a process of its own. The clock runs from the commit of the run to the end of its last item.
 * @param redisUrl where the queue is; undefined for a queue in PostgreSQL
 */
export function worker(simulatorUrl: string, redisUrl: string | undefined): Contestant {
  return async (databaseUrl, series) => {
    const prefix = `bench-${process.pid}-${Math.round(performance.now())}`
    const running = await startProgram('worker', {
      env: {
        DATABASE_URL: databaseUrl,
        ...(redisUrl === undefined ? {} : { REDIS_URL: redisUrl, QUEUE_PREFIX: prefix }),
        ALPHAVANTAGE_API_KEY: 'bench',
        ALPHAVANTAGE_BASE_URL: simulatorUrl,
        ALPHAVANTAGE_PLAN: '1200',
        ALPHAVANTAGE_REQUESTS_PER_SECOND: '0',
        ALPHAVANTAGE_REQUESTS_PER_MINUTE: '0',
        WORKER_CONCURRENCY: String(CONCURRENCY),
        SYMBOLS: '',
        LOG_LEVEL: 'info',
      },
    })
    const connection = connect({
      databaseUrl,
      applicationName: 'bench',
      maxConnections: 2,
      statementTimeoutMs: 60_000,
    })
    const queue = openQueue({
      backend: chooseBackend({ redisUrl, postgres: pgOptions(databaseUrl) }),
      prefix,
      onError: () => {},
    })
    try {
      const ingest = async (symbols: string[]) => {
        const { id, items } = await createRun(connection.db, {
          symbols,
          trigger: 'api',
          outputsize: 'full',
          force: true,
          priority: 'normal',
        })
        await enqueue(queue.handle, items, DEADLINE_MS)
        // Asked rarely, so that the question costs the server next to nothing; the times are the database's own.
        for (
          const deadline = performance.now() + DEADLINE_MS;
          performance.now() < deadline;
          await sleep(200)
        ) {
          const run = await getRun(connection.db, id)
          if (run !== null && run.finishedAt !== null) return run
        }
        throw new Error(`the run took longer than ${DEADLINE_MS} ms`)
      }
      // The first symbols pay for the compilation of the worker's code and do not count.
      await ingest(Array.from({ length: 10 }, (_, index) => `WARM${index}`))
      const run = await ingest(series.map((one) => one.symbol))
      if (run.status !== 'succeeded') throw new Error(`the run ended ${run.status}:\n${running.output()}`)
      if (run.finishedAt === null) throw new Error('the run has no end')
      return {
        ms: Date.parse(run.finishedAt) - Date.parse(run.requestedAt),
        peakMemoryMb: (await peakResidentBytes(running.pid)) / 2 ** 20,
      }
    } finally {
      await queue.close()
      await connection.close()
      await running.stop()
    }
  }
}
