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

// Each body of a megabyte leaves several megabytes of garbage. V8 lets the heap grow to some four times the live objects before
// it collects. Collecting at one and a half times lowers the peak by a third and costs little time.
setFlagsFromString('--heap-growing-percent=50')

/** Docker and systemd kill a process after 30 s, so the worker stops in less. */
const GRACE_MS = 20_000
/** How long the end of the process waits for somebody to read the last lines of its log. */
const FLUSH_MS = 1_000

const stop = new AbortController()
const release = new AbortController()
const stopFor = (why: string) => () => {
  // A second signal means that nobody wants to wait for the items in flight.
  if (stop.signal.aborted) release.abort()
  stop.abort(why)
}
process.on('SIGTERM', stopFor('SIGTERM'))
process.on('SIGINT', stopFor('SIGINT'))
// npm start forks this process. When npm start is killed nobody else stops this process.
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
    // AbortSignal.timeout within AbortSignal.any would not do: Node 20 may collect both while somebody waits for them.
    setTimeout(() => release.abort(), GRACE_MS)
    await worker.stop(release.signal)
    return 0
  } catch (error) {
    // A worker that is stopped before it worked has nothing to report.
    if (stop.signal.aborted && error === stop.signal.reason) return 0
    logFailure(logger, error, sentenceFor(error))
    return error instanceof ConfigError ? 2 : 1
  }
}

/** Gives the sentence of an error that a person can act on, which is logged without a stack. */
function sentenceFor(error: unknown): string | undefined {
  const forPeople = [ConfigError, UnsafeRedisError]
  if (error instanceof Error && forPeople.some((known) => error instanceof known)) return error.message
  return errorSentence(error)
}
