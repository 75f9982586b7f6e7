import { fileURLToPath } from 'node:url'
import { ConfigError } from '@stockpile/config/read'
import { errorSentence } from '@stockpile/db/error-sentence'
import { parseConfig } from './settings/config.js'
import { readSettings } from './settings/settings.js'
import { StartError } from './errors.js'
import { start } from './start.js'
import { createTerminal } from './terminal/terminal.js'

const PROJECT_ROOT = fileURLToPath(new URL('../../..', import.meta.url))
/** The path of a file with variables, which may be missing. The script of npm start gives `.env`. */
const [envFile] = process.argv.slice(2)
/** Within so many milliseconds two signals are one Ctrl-C, which arrives from the terminal and through npm. */
const SAME_CTRL_C_MS = 500
const PARENT_POLL_MS = 1_000

const stop = new AbortController()
const hurry = new AbortController()
const live = process.stdout.isTTY && process.env['TERM'] !== 'dumb'
const terminal = createTerminal(process.stdout, { live, colours: live && !process.env['NO_COLOR'] })
const errors = createTerminal(process.stderr, { live: false, colours: false })

let stoppedAt = Infinity
function requestStop(): void {
  if (!stop.signal.aborted) {
    stoppedAt = performance.now()
    terminal.show(undefined)
    terminal.print('Stopping … (Ctrl-C again: at once)')
    stop.abort()
  } else if (performance.now() - stoppedAt > SAME_CTRL_C_MS) hurry.abort()
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, requestStop)
// An error of stdout means that nobody reads: `npm start | head`, or a terminal that was closed.
process.stdout.on('error', () => stop.abort())
watchNpm()

process.exit(await main())

/** @returns the exit code: 2 for a wrong configuration, 1 when something could not start or go on */
async function main(): Promise<number> {
  try {
    const { environment, lineOf, notes } = await readSettings(process.env, envFile)
    for (const note of notes) terminal.print([{ text: '  ' }, { text: note, style: 'dim', hang: true }])
    const whence = (name: string) =>
      lineOf(name) === undefined ? '' : ` (line ${lineOf(name)} of ${envFile})`
    const config = parseConfig(environment, PROJECT_ROOT, whence)
    if (config.databaseUrl === undefined) forgetOtherServers()
    await start({ config, environment, terminal, signal: stop.signal, hurry: hurry.signal })
    terminal.print('Stopped.')
    return 0
  } catch (error) {
    const known = error instanceof ConfigError || error instanceof StartError
    const sentence = known ? error.message : errorSentence(error)
    if (sentence === undefined) console.error(error)
    else errors.print(...`stockpile: ${sentence}`.split('\n'))
    return error instanceof ConfigError ? 2 : 1
  }
}

/** Deletes PGHOST, PGSSLMODE and so on: they are meant for another server, and drivers would use them for the embedded one. */
function forgetOtherServers(): void {
  for (const name of Object.keys(process.env)) if (name.startsWith('PG')) delete process.env[name]
}

/**
 * Stops when npm has ended. npm passes a SIGTERM on to its shell, which ends without passing it on, so that nobody would stop
 * this process.
 */
function watchNpm(): void {
  if (process.env['npm_lifecycle_event'] !== 'start') return
  const parent = process.ppid
  setInterval(() => {
    if (process.ppid !== parent && !stop.signal.aborted) requestStop()
  }, PARENT_POLL_MS).unref()
}
