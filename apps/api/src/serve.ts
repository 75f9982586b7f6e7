import { once } from 'node:events'
import { connect } from '@stockpile/db/connection'
import { pgOptions } from '@stockpile/db/driver-options'
import { waitForSchema } from '@stockpile/db/ready'
import { chooseBackend } from '@stockpile/queue/backend'
import { openQueue } from '@stockpile/queue/queue'
import { assertSafe, watchSafety } from '@stockpile/queue/redis-safety'
import type { Logger } from '@stockpile/log/logger'
import { warnOfErrors } from '@stockpile/log/repeated-errors'
import { buildApp } from './app.js'
import type { Config } from './config.js'
import { HEAVY_AT_ONCE } from './http/heavy-statements.js'
import type { App } from './types.js'

/** For pages and small statistics. Four statements keep a small server's cores busy; more would only wait for each other. */
const DATA_CONNECTIONS = 4
/** For everything else: twice as many connections as exports take. */
const OTHER_CONNECTIONS = 8
/** Less than the handlers' timeout, so that a slow statement ends before its request does. */
const STATEMENT_TIMEOUT_MS = 10_000

/** The API cannot start. The message is one sentence for the person who started it. */
export class StartError extends Error {
  override readonly name = 'StartError'
}

interface ServeOptions {
  config: Config
  logger: Logger
  /** Aborts when the process has to stop. */
  signal: AbortSignal
  onListening: (url: string) => void
}

/**
 * Opens the API, serves until the signal aborts, answers the requests under way, and closes everything it opened.
 * @throws StartError, DatabaseNotReadyError, SchemaVersionError, UnfitServerError or UnsafeRedisError with a sentence for the person who started it
 */
export async function serve({ config, logger, signal, onListening }: ServeOptions): Promise<void> {
  const backend = chooseBackend({ redisUrl: config.redisUrl, postgres: pgOptions(config.databaseUrl) })
  const open = (applicationName: string, maxConnections: number) =>
    connect({
      databaseUrl: config.databaseUrl,
      applicationName,
      maxConnections,
      statementTimeoutMs: STATEMENT_TIMEOUT_MS,
      genericPlans: true,
    })
  const connection = open('stockpile-api', OTHER_CONNECTIONS)
  const dataConnection = open('stockpile-api-data', DATA_CONNECTIONS)
  const heavyConnection = open('stockpile-api-heavy', HEAVY_AT_ONCE)
  let starting = true
  const queue = openQueue({
    backend,
    prefix: config.queuePrefix,
    onError: warnOfErrors(logger, 'the queue reports an error'),
    onConnect: () => {
      if (!starting) void watchSafety(backend, ({ message }) => logger.error(message))
    },
  })
  try {
    await waitForSchema(connection.db, {
      onWaiting: (sentence) => logger.warn(sentence),
      signal,
    })
    // From here on each new connection to Redis is checked when it opens; the next line checks an earlier connection.
    starting = false
    await assertSafe(backend, (doubt) => logger.warn(doubt))
    if (signal.aborted) return
    const app = await buildApp({
      db: connection.db,
      dataDb: dataConnection.db,
      heavyDb: heavyConnection.db,
      queue: queue.handle,
      logger,
    })
    try {
      onListening(await listen(app, config, backend.kind))
      if (!signal.aborted) await once(signal, 'abort')
      logger.info('the API stops')
    } finally {
      await app.close()
    }
  } finally {
    await Promise.all([
      queue.close(),
      ...[connection, dataConnection, heavyConnection].map((one) => one.close()),
    ])
  }
}

async function listen(app: App, { host, port }: Config, queueKind: string): Promise<string> {
  try {
    const listenTextResolver = (address: string) =>
      `the API listens at ${address}, its queue is in ${queueKind}`
    return await app.listen({ host, port, listenTextResolver })
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'EADDRINUSE') {
      throw new StartError(
        `Port ${port} of ${host} is taken by another program: end that one, or set PORT to a free port.`,
      )
    }
    if (code === 'EACCES')
      throw new StartError(
        `Port ${port} needs more rights than this process has: set PORT to one above 1023.`,
      )
    if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') {
      throw new StartError(`${host} is no address of this machine: set HOST, e.g. to 127.0.0.1.`)
    }
    throw error
  }
}
