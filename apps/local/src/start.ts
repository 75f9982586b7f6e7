import type { Variables } from '@stockpile/config/programs'
import { LATE, within } from '@stockpile/time/wait'
import { type Api, createApi, type Stored } from './progress/api.js'
import { type ChangeSignal, createChangeSignal } from './progress/change-signal.js'
import type { Config } from './settings/config.js'
import { hasTables, prepareDatabase } from './database/prepare.js'
import { type DatabaseServer, openDatabaseServer, POSTGRES_FOLDER, processUrl } from './database/server.js'
import { countUnfinishedIn, readStoredState } from './database/stored-state.js'
import { prepareHomeFolders } from './settings/home-folders.js'
import { createLineReporter } from './programs/line-reporter.js'
import { addressLines, goingOnText, leftText, partsLines, simulatedBanner, storedText } from './messages.js'
import { localAddress, lookAtPort, type PortState } from './programs/port.js'
import { busyLine } from './progress/run-block.js'
import { aborted } from './promises.js'
import { createPrograms, LOG_FOLDER, type Programs } from './programs/programs.js'
import { checkKeyFile, waitForPredecessor, warnOfRedis } from './start-checks.js'
import type { Terminal } from './terminal/terminal.js'
import { watchRuns } from './progress/watch-runs.js'

export interface StartOptions {
  config: Config
  /** The variables of this process and of the file `.env`, of which the programs get what they need. */
  environment: Variables
  terminal: Terminal
  /** Aborted when everything is to stop. */
  signal: AbortSignal
  /** Aborted when the stop is to be quick. */
  hurry: AbortSignal
}

const STARTED_AT = new Date(performance.timeOrigin)
/** At a stop the unfinished runs are counted within this time, or not at all. */
const LEFT_DEADLINE_MS = 2_000
/** An example is looked for among so many of the symbols. */
const EXAMPLE_CANDIDATES = 5

/**
 * Starts everything, shows what happens until the signal, then stops everything it started, in order.
 * @throws StartError when it cannot start, or a part of it ends by itself
 */
export async function start(options: StartOptions): Promise<void> {
  const { config, terminal, signal } = options
  try {
    await checkKeyFile(config)
    const port = config.port === 0 ? 'free' : await lookAtPort(config.host, config.port)
    signal.throwIfAborted()
    await prepareHomeFolders(config.home, [
      LOG_FOLDER,
      ...(config.databaseUrl === undefined ? [POSTGRES_FOLDER] : []),
    ])
    terminal.show((frame) => [busyLine('starting PostgreSQL', frame)])
    const server = await openDatabaseServer(config, (line) => terminal.print(line))
    try {
      signal.throwIfAborted()
      await runPrograms(options, server, port)
    } finally {
      await server.close()
    }
  } catch (error) {
    // After the signal each part fails in its own way, which is no news.
    if (!signal.aborted) throw error
  } finally {
    terminal.show(undefined)
  }
}

async function runPrograms(options: StartOptions, server: DatabaseServer, port: PortState): Promise<void> {
  const { config, terminal, signal, hurry } = options
  const { databaseUrl, embedded } = server
  if (config.simulated) terminal.print(...simulatedBanner(databaseUrl))
  terminal.print(...partsLines(config, { databaseUrl, embedded: embedded !== undefined }))
  const changed = createChangeSignal()
  const over = new AbortController()
  signal.addEventListener('abort', () => over.abort(), { once: true })
  const programs = createPrograms({
    config,
    databaseUrls: { api: processUrl(server, 'api'), worker: processUrl(server, 'worker') },
    queuePrefix: queuePrefix(config, server),
    environment: options.environment,
    onLine: createLineReporter(config.logLevel, terminal, changed),
  })
  try {
    await Promise.race([
      serve({ ...options, signal: over.signal }, server, port, programs, changed),
      programs.died,
      server.lost,
      aborted(signal),
    ])
  } catch (error) {
    // Without the server each part fails in its own way: the loss of the server is the cause.
    throw (await server.lookForLoss()) ?? error
  } finally {
    over.abort()
    terminal.show(undefined)
    for (const name of await programs.stop(hurry)) {
      terminal.print(`The ${name} did not stop in time and was killed; nothing is lost by that.`)
    }
    if (signal.aborted) await printLeft(databaseUrl, terminal, hurry)
  }
}

/** Says what goes on at the next start, unless the database answers late: a stop does not wait for it. */
async function printLeft(databaseUrl: string, terminal: Terminal, hurry: AbortSignal): Promise<void> {
  const counted = hasTables(databaseUrl)
    .then((known) => (known ? countUnfinishedIn(databaseUrl) : undefined))
    .catch(() => undefined)
  const left = await within(Promise.race([counted, aborted(hurry).then(() => undefined)]), LEFT_DEADLINE_MS)
  const text = left === LATE || left === undefined ? undefined : leftText(left)
  if (text !== undefined) terminal.print(text)
}

async function serve(
  options: StartOptions,
  server: DatabaseServer,
  port: PortState,
  programs: Programs,
  changed: ChangeSignal,
): Promise<never> {
  const { config, terminal, signal } = options
  const { databaseUrl, embedded } = server
  terminal.show((frame) => [busyLine('starting the API and the worker', frame)])
  const simulator = config.simulated ? programs.startSimulator() : undefined
  await Promise.all([
    prepareDatabase(server).then((repaired) => {
      if (repaired !== undefined)
        terminal.print([{ text: '  ' }, { text: repaired, style: 'yellow', hang: true }])
      return waitForPredecessor(server, { config, port, terminal, signal })
    }),
    warnOfRedis(config, terminal),
  ])
  // This is read before the worker can add to it.
  const earlier = await readStoredState(databaseUrl)
  for (const text of [storedText(earlier.stored), goingOnText(earlier.unfinished)])
    if (text !== undefined) terminal.print([{ text: '  ' }, { text, style: 'green', hang: true }])
  const simulatorUrl = await simulator
  const [apiUrl] = await Promise.all([programs.startApi(), programs.startWorker(simulatorUrl)])

  const url = new URL(apiUrl)
  url.hostname = localAddress(url.hostname.replaceAll(/^\[|\]$/g, ''))
  const api = await createApi(url.origin)
  const onSettled = async () => {
    const example = await exampleOf(api, config)
    const isNewPort = embedded?.isNewPort === true
    const lines = addressLines(api.url, {
      config,
      databaseUrl,
      example,
      passwordFile: embedded?.passwordFile,
      isNewPort,
      windows: process.platform === 'win32',
    })
    terminal.print('', ...lines, '')
  }
  return watchRuns({
    api,
    terminal,
    signal,
    since: STARTED_AT,
    known: earlier.finishedRuns,
    changed,
    onSettled,
  })
}

/** The first of the configured symbols that has rows, or any symbol; undefined while nothing is stored. */
async function exampleOf(api: Api, { symbols }: Config): Promise<Stored | undefined> {
  for (const symbol of symbols.slice(0, EXAMPLE_CANDIDATES)) {
    const stored = await api.stored(symbol)
    if (stored !== undefined) return stored
  }
  return api.stored()
}

/**
 * The prefix of the queue on Redis, so that jobs meet only the database that they belong to. With DATABASE_URL it is that of
 * programs that are started by hand, since workers elsewhere may share the database.
 */
function queuePrefix(config: Config, { embedded }: DatabaseServer): string | undefined {
  if (config.redisUrl === undefined) return undefined
  const own = embedded === undefined ? 'stockpile' : `stockpile-${embedded.identity}`
  return `${config.queuePrefix ?? own}${config.simulated ? '-simulated' : ''}`
}
