import { ConfigError, parseConfig } from './config.js'
import { createLogger } from './logger.js'
import { serve } from './serve.js'
import { StartError } from './start-error.js'

/** What requests under way have to end in, once the process is to stop. */
const STOP_DEADLINE_MS = 10_000

const stop = new AbortController()
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort())
// Forked by `npm start`: without its parent it has no reason to live.
if (process.connected) process.on('disconnect', () => stop.abort())
stop.signal.addEventListener('abort', () => {
  setTimeout(() => process.exit(1), STOP_DEADLINE_MS).unref()
})

process.exit(await main())

/** @returns the exit code: 2 for a wrong configuration, 1 for a failed start */
async function main(): Promise<number> {
  try {
    const config = parseConfig(process.env)
    await serve({
      config,
      logger: createLogger(config.logLevel),
      signal: stop.signal,
      onListening: (url) => process.send?.({ url }),
    })
    return 0
  } catch (error) {
    if (error instanceof ConfigError) console.error(error.message)
    else if (error instanceof StartError) console.error(error.message)
    else console.error(error)
    return error instanceof ConfigError ? 2 : 1
  }
}
