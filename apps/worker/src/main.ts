import { once } from 'node:events'
import { setFlagsFromString } from 'node:v8'
import { ConfigError } from '@stockpile/config/read'
import { databaseUrlWarning } from '@stockpile/db/database-url'
import { errorSentence } from '@stockpile/db/error-sentence'
import { createLogger, logFailure, logFormat } from '@stockpile/log/logger'
import { createProcessOutput } from '@stockpile/log/output'
import { UnsafeRedisError } from '@stockpile/queue/redis-safety'
import { parseConfig } from './config.js'
import { startWorker } from './worker.js'

// Each body of a megabyte leaves several of garbage. V8 would let the heap grow to some four times of what lives before
// it collects; at half as much again the peak is a third lower, for little time.
setFlagsFromString('--heap-growing-percent=50')

/** Shorter than the 30 s that docker and systemd give before they kill. */
const GRACE_MS = 20_000
/** For the last lines, when somebody reads them. */
const FLUSH_MS = 1_000

const stop = new AbortController()
const putBack = new AbortController()
const stopFor = (why: string) => () => {
  // Asked twice: nobody wants to wait for what is in flight.
  if (stop.signal.aborted) putBack.abort()
  stop.abort(why)
}
process.on('SIGTERM', stopFor('SIGTERM'))
process.on('SIGINT', stopFor('SIGINT'))
// Forked by npm start, which may be killed: nobody else would stop this process then.
if (process.connected) process.on('disconnect', stopFor('the parent process is gone'))

const output = createProcessOutput()
const exitCode = await main()
await output.flush(FLUSH_MS)
process.exit(exitCode)

/** @returns the exit code: 2 for a wrong configuration, 1 for a failed start or stop */
async function main(): Promise<number> {
  const format = logFormat(process.env['LOG_FORMAT'], process.stdout.isTTY)
  const logger = createLogger({ service: 'worker', level: 'info', output, format })
  try {
    const config = parseConfig(process.env)
    logger.level = config.logLevel
    const warning = databaseUrlWarning(config.databaseUrl)
    if (warning !== undefined) logger.warn(warning)
    const worker = await startWorker(config, logger, { signal: stop.signal })
    if (!stop.signal.aborted) await once(stop.signal, 'abort')
    logger.info({ why: stop.signal.reason }, 'stopping')
    // Not AbortSignal.timeout in AbortSignal.any: Node 20 may collect both while they are waited for.
    setTimeout(() => putBack.abort(), GRACE_MS)
    await worker.stop(putBack.signal)
    return 0
  } catch (error) {
    // Stopped before it worked: what it waited for has no news.
    if (stop.signal.aborted && error === stop.signal.reason) return 0
    logFailure(logger, error, sentenceFor(error))
    return error instanceof ConfigError ? 2 : 1
  }
}

/** What a person can act on, without a stack. */
function sentenceFor(error: unknown): string | undefined {
  const forPeople = [ConfigError, UnsafeRedisError]
  if (error instanceof Error && forPeople.some((known) => error instanceof known)) return error.message
  return errorSentence(error)
}
