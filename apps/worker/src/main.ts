import { setFlagsFromString } from 'node:v8'
import { withoutParameters } from '@stockpile/db/connection'
import { SchemaVersionError } from '@stockpile/db/migrate'
import { pino } from 'pino'
import { ConfigError, parseConfig } from './config.js'
import { startWorker } from './worker.js'

// Each body of a megabyte leaves several of garbage. V8 would let the heap grow to some four times of what lives before
// it collects; at half as much again the peak is a third lower, for little time.
setFlagsFromString('--heap-growing-percent=50')

/** Shorter than the 30 s that docker and systemd give before they kill. */
const GRACE_MS = 20_000

try {
  const config = parseConfig(process.env)
  const logger = pino({
    name: 'worker',
    level: config.logLevel,
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { err: (error: unknown) => pino.stdSerializers.err(asError(withoutParameters(error))) },
  })
  const worker = await startWorker(config, logger)
  let stopping = false
  const stop = (why: string) => {
    if (stopping) return
    stopping = true
    logger.info({ why }, 'stopping')
    worker.stop(GRACE_MS).then(
      () => process.exit(0),
      (error: unknown) => {
        logger.error({ err: error }, 'did not stop cleanly')
        process.exit(1)
      },
    )
  }
  process.on('SIGTERM', () => stop('SIGTERM'))
  process.on('SIGINT', () => stop('SIGINT'))
  // Started by npm start, which may be killed: nobody else would stop this process then.
  process.on('disconnect', () => stop('the parent process is gone'))
} catch (error) {
  const known = error instanceof ConfigError || error instanceof SchemaVersionError
  console.error(known ? error.message : asError(withoutParameters(error)))
  process.exitCode = error instanceof ConfigError ? 2 : 1
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
