import { constants } from 'node:os'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ConfigError } from '@stockpile/config/read'
import { errorSentence } from '@stockpile/db/error-sentence'
import { parseConfig } from '../settings/config.js'
import { readSettings } from '../settings/settings.js'
import { codeOf, messageOf, StartError } from '../errors.js'
import { createTerminal } from '../terminal/terminal.js'
import { InterruptedError } from './interrupted-error.js'
import { backUpTo, restoreFrom } from './maintenance.js'

const PROJECT_ROOT = fileURLToPath(new URL('../../../..', import.meta.url))
const COMMANDS = { backup: backUpTo, restore: restoreFrom }
const output = createTerminal(process.stdout, { live: false, colours: false })
const errors = createTerminal(process.stderr, { live: false, colours: false })

/** Aborted by the first signal. One Ctrl-C can arrive twice, from the terminal and through npm. */
const interrupt = new AbortController()
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(name, () => interrupt.abort(new InterruptedError(name)))

// The process exits at once: a server that is busy with a statement keeps its connection open, and so the process.
process.exit(await main(process.argv.slice(2)))

/** @returns the exit code: 2 for wrong arguments or variables, 1 for a failure, 128 plus the signal's number after a signal */
async function main([command, envFile, file, ...more]: string[]): Promise<number> {
  try {
    if ((command !== 'backup' && command !== 'restore') || file === undefined || more.length > 0) {
      throw new ConfigError(
        `name one file: npm run ${command === 'restore' ? 'restore' : 'backup'} -- stockpile.backup`,
      )
    }
    const { environment } = await readSettings(process.env, envFile)
    const config = parseConfig(environment, PROJECT_ROOT)
    // npm runs scripts in the project's folder; INIT_CWD is the folder in which npm was called.
    const path = resolve(process.env['INIT_CWD'] ?? '', file)
    for (const name of Object.keys(process.env)) if (name.startsWith('PG')) delete process.env[name]
    await COMMANDS[command](path, config, {
      print: (line) => output.print(line),
      signal: interrupt.signal,
    })
    return 0
  } catch (error) {
    const sentence = sentenceFor(error)
    if (sentence === undefined) console.error(error)
    else errors.print(...`stockpile: ${sentence}`.split('\n'))
    if (error instanceof InterruptedError) return 128 + constants.signals[error.signal]
    return error instanceof ConfigError ? 2 : 1
  }
}

function sentenceFor(error: unknown): string | undefined {
  if (error instanceof ConfigError || error instanceof StartError) return error.message
  // An error of the file system has a path: the file is missing or a folder, or the disk is full.
  if (/^E[A-Z]+$/.test(codeOf(error) ?? '') && error instanceof Error && 'path' in error)
    return `${messageOf(error)}.`
  return errorSentence(error)
}
