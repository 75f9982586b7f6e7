import { ConfigError } from '@stockpile/config/read'
import { databaseUrlWarning } from '@stockpile/db/database-url'
import { errorSentence } from '@stockpile/db/error-sentence'
import { createLogger, logFailure, logFormat } from '@stockpile/log/logger'
import { createProcessOutput } from '@stockpile/log/output'
import { UnsafeRedisError } from '@stockpile/queue/redis-safety'
import { parseConfig } from './config.js'
import { serve, StartError } from './serve.js'

/** Requests under way have to end within this time once the process is told to stop. */
const STOP_DEADLINE_MS = 10_000
/**
 * Lines are written together: a write for each line took a tenth of the time of small answers on an idle machine, and a
 * third on a busy one.
 */
const LOG_DELAY_MS = 10
/** The reader of the log may take this long for the last lines. */
const FLUSH_MS = 1_000

const stop = new AbortController()
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort())
// `npm start` forks this process, which has no reason to live without its parent.
if (process.connected) process.on('disconnect', () => stop.abort())
stop.signal.addEventListener('abort', () => {
  setTimeout(() => process.exit(1), STOP_DEADLINE_MS).unref()
})

const output = createProcessOutput({ delayMs: LOG_DELAY_MS })
const exitCode = await main()
await output.flush(FLUSH_MS)
process.exit(exitCode)

/** @returns the exit code: 2 for a wrong configuration, 1 for a failed start */
async function main(): Promise<number> {
  const format = logFormat(process.env['LOG_FORMAT'], process.stdout.isTTY)
  const logger = createLogger({ service: 'api', level: 'info', output, format })
  try {
    const config = parseConfig(process.env)
    logger.level = config.logLevel
    const warning = databaseUrlWarning(config.databaseUrl)
    if (warning !== undefined) logger.warn(warning)
    await serve({
      config,
      logger,
      signal: stop.signal,
      onListening: (url) => process.send?.({ url }),
    })
    return 0
  } catch (error) {
    logFailure(logger, error, isForPeople(error) ? error.message : errorSentence(error))
    return error instanceof ConfigError ? 2 : 1
  }
}

/** Whether the message of the error says what to do, which a stack would only hide. */
function isForPeople(error: unknown): error is Error {
  return [ConfigError, StartError, UnsafeRedisError].some((known) => error instanceof known)
}
