import { WINDOWS_MS } from '@stockpile/db/limits'
import { pino } from 'pino'
import { parseConfig } from '../../apps/worker/src/config.js'
import { startWorker } from '../../apps/worker/src/worker.js'
import type { Task } from './task.js'

/** Starts production's worker with other lengths of windows. It sends as soon as there are items, so the returned function does nothing. */
export async function startStockpile({ limits, ...task }: Task): Promise<() => void> {
  const maxOf = (name: string) => String(limits.find((limit) => limit.name === name)?.max ?? 0)
  const config = parseConfig({
    DATABASE_URL: task.databaseUrl,
    ...(task.redisUrl === null ? {} : { REDIS_URL: task.redisUrl, QUEUE_PREFIX: task.prefix }),
    ALPHAVANTAGE_API_KEY: 'bench',
    ALPHAVANTAGE_BASE_URL: task.simulatorUrl,
    ALPHAVANTAGE_PLAN: '1200',
    ALPHAVANTAGE_REQUESTS_PER_SECOND: maxOf('second'),
    ALPHAVANTAGE_REQUESTS_PER_MINUTE: maxOf('minute'),
    ALPHAVANTAGE_REQUESTS_PER_DAY: maxOf('day'),
    WORKER_CONCURRENCY: String(task.concurrency),
    SYMBOLS: '',
  })
  const windowsMs = { ...WINDOWS_MS }
  for (const limit of limits) windowsMs[limit.name] = limit.windowMs
  await startWorker(config, pino({ level: 'fatal' }), {
    signal: new AbortController().signal,
    windowsMs,
  })
  return () => undefined
}
