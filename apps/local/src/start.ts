import { access, constants } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Variables } from '@stockpile/config/programs'
import { type Api, createApi, type Stored } from './progress/api.js'
import { type Bell, createBell } from './progress/bell.js'
import type { Config } from './settings/config.js'
import {
  type DatabaseServer,
  hasTables,
  openDatabaseServer,
  POSTGRES_FOLDER,
  prepareDatabase,
  processUrl,
  waitForOldPrograms,
} from './database/database.js'
import { countLeft, recallEarlier } from './database/earlier.js'
import { prepareHome } from './database/home.js'
import { isShown, type LogLine, readableLine } from './programs/log-line.js'
import { addressLines, goingOnText, leftText, partsLines, simulatedBanner, storedText } from './messages.js'
import { isReachable, localAddress, lookAtPort, type PortState, waitForPort } from './programs/port.js'
import { busyLine } from './progress/progress.js'
import { createPrograms, LOG_FOLDER, type Programs } from './programs/programs.js'
import { messageOf, StartError } from './start-error.js'
import type { Terminal } from './terminal/terminal.js'
import { watchRuns } from './progress/watch.js'

export interface StartOptions {
  config: Config
  /** Of this process: of these the programs inherit what they need. */
  environment: Variables
  terminal: Terminal
  /** Aborted when everything is to stop. */
  signal: AbortSignal
  /** Aborted when that is to be quick. */
  hurry: AbortSignal
}

const STARTED_AT = new Date(performance.timeOrigin)
/** What is left of a killed start ends within this, unless it has a slow answer in its hands. */
const OLD_PROGRAMS_MS = 15_000
/** What is left is counted within this, when all stops. */
const LEFT_DEADLINE_MS = 2_000
/** A line that repeats is shown again after this. */
const REPEAT_MS = 10 * 60_000
/** Symbols that are named one by one. */
const NAMED = 5

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
    await prepareHome(config.home, [
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
    // What was interrupted fails in its own way, which is no news.
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
  const news = createBell()
  const over = new AbortController()
  signal.addEventListener('abort', () => over.abort(), { once: true })
  const programs = createPrograms({
    config,
    databaseUrls: { api: processUrl(server, 'api'), worker: processUrl(server, 'worker') },
    queuePrefix: queuePrefix(config, server),
    environment: options.environment,
    onLine: lineReporter(config, terminal, news),
  })
  try {
    await Promise.race([
      serve({ ...options, signal: over.signal }, server, port, programs, news),
      programs.died,
      server.lost,
      aborted(signal),
    ])
  } catch (error) {
    // Without its server everything fails, each in its own way.
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

/** Says what goes on at the next start. While the database does not answer nobody can say, and a stop waits for no one. */
async function printLeft(databaseUrl: string, terminal: Terminal, hurry: AbortSignal): Promise<void> {
  const over = new AbortController()
  const left = await Promise.race([
    hasTables(databaseUrl)
      .then((known) => (known ? countLeft(databaseUrl) : undefined))
      .catch(() => undefined),
    sleep(LEFT_DEADLINE_MS, undefined, { signal: over.signal }).catch(() => undefined),
    aborted(hurry).then(() => undefined),
  ])
  over.abort()
  const text = left === undefined ? undefined : leftText(left)
  if (text !== undefined) terminal.print(text)
}

async function serve(
  options: StartOptions,
  server: DatabaseServer,
  port: PortState,
  programs: Programs,
  news: Bell,
): Promise<never> {
  const { config, terminal, signal } = options
  const { databaseUrl, embedded } = server
  terminal.show((frame) => [busyLine('starting the API and the worker', frame)])
  const simulator = config.simulated ? programs.startSimulator() : undefined
  await Promise.all([
    prepareDatabase(server).then((repaired) => {
      if (repaired !== undefined)
        terminal.print([{ text: '  ' }, { text: repaired, style: 'yellow', hang: true }])
      return waitForPredecessor(options, server, port)
    }),
    warnOfRedis(config, terminal),
  ])
  // Before the worker can add to it.
  const earlier = await recallEarlier(databaseUrl)
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
  return watchRuns({ api, terminal, signal, since: STARTED_AT, known: earlier.finishedRuns, news, onSettled })
}

/** The first of the symbols that has rows, or any; undefined while nothing is stored. */
async function exampleOf(api: Api, { symbols }: Config): Promise<Stored | undefined> {
  for (const symbol of symbols.slice(0, NAMED)) {
    const stored = await api.stored(symbol)
    if (stored !== undefined) return stored
  }
  return api.stored()
}

/** Shows what needs a person's attention, once in a while; and rings for whatever may change a run. */
function lineReporter(
  config: Config,
  terminal: Terminal,
  news: Bell,
): (program: string, line: LogLine) => void {
  const shownAt = new Map<string, number>()
  return (program, line) => {
    if (line.run !== undefined) news.ring()
    if (!isShown(line, config.logLevel)) return
    const text = readableLine(program, line)
    const now = performance.now()
    if (now - (shownAt.get(text) ?? -Infinity) < REPEAT_MS) return
    shownAt.set(text, now)
    terminal.print([{ text, style: 'yellow' }])
  }
}

async function waitForPredecessor(
  { config, terminal, signal }: StartOptions,
  { databaseUrl, embedded }: DatabaseServer,
  port: PortState,
): Promise<void> {
  const deadlineMs = OLD_PROGRAMS_MS
  if (port === 'stockpile') {
    terminal.print(
      `Port ${config.port} is held by another Stockpile's API: waiting for it, in case it is ending …`,
    )
    await waitForPort(config.host, config.port, { deadlineMs, signal })
  }
  if (embedded?.survived !== true) return
  const onWaiting = () => terminal.print('An earlier npm start was killed: waiting for its programs to end …')
  if (!(await waitForOldPrograms(databaseUrl, { deadlineMs, signal, onWaiting }))) {
    terminal.print('They still work; that does no harm, so the start goes on.')
  }
}

/** Jobs on a shared Redis must meet the database they belong to. A DATABASE_URL may have workers elsewhere: as they do. */
function queuePrefix(config: Config, { embedded }: DatabaseServer): string | undefined {
  if (config.redisUrl === undefined) return undefined
  const own = embedded === undefined ? 'stockpile' : `stockpile-${embedded.identity}`
  return `${config.queuePrefix ?? own}${config.simulated ? '-simulated' : ''}`
}

async function warnOfRedis({ redisUrl }: Config, terminal: Terminal): Promise<void> {
  if (redisUrl === undefined) return
  const { hostname, port, host } = new URL(redisUrl)
  if (await isReachable(hostname.replaceAll(/^\[|\]$/g, ''), port === '' ? 6379 : Number(port))) return
  const text = `The Redis at ${host} (REDIS_URL) does not answer: what is stored is served, and runs wait until it is back.`
  terminal.print([{ text, style: 'yellow' }])
}

async function checkKeyFile({ apiKeyFile }: Config): Promise<void> {
  if (apiKeyFile === undefined) return
  await access(apiKeyFile, constants.R_OK).catch((error: unknown) => {
    throw new StartError(`ALPHAVANTAGE_API_KEY_FILE cannot be read: ${messageOf(error)}.`)
  })
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
