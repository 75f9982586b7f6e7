import { type Variables, variablesOf } from '@stockpile/config/programs'
import { ConfigError } from '@stockpile/config/read'
import { factsOf, VARIABLE_NAMES } from '@stockpile/config/variables'
import { parseEnvFile, readEnvFile } from './env-file.js'
import { messageOf } from '../errors.js'

export interface Settings {
  /** The shell's variables, and those of the file that the shell does not have. */
  environment: Variables
  /** The line of the file from which a variable comes; undefined for one of the shell. */
  lineOf: (name: string) => number | undefined
  /** Sentences that tell the person who started which variables of the file were read, and which lines mean nothing. */
  notes: string[]
}

/** The variables that npm start reads itself. */
const OURS: readonly string[] = variablesOf('npm start')
/** The variables that a file `.env` may hold, also those for docker compose. */
const KNOWN: readonly string[] = VARIABLE_NAMES.filter((name) => factsOf(name).envFile.length > 0)
/** Variables of others that a file `.env` may hold: compose, Docker or Node read them. */
const OF_OTHERS = /^(?:COMPOSE_|DOCKER_|NODE_|SSL_CERT_|TZ$|(?:https?|no|all)_proxy$)/i

/**
 * Joins the variables of the shell with those of a file that may be missing. The shell's go first, even when they are empty.
 * @throws ConfigError that names each line that cannot be read by its number, since the line may hold a secret
 */
export async function readSettings(shell: Variables, path: string | undefined): Promise<Settings> {
  const text = path === undefined ? undefined : await readEnvFile(path).catch(unreadable(path))
  if (path === undefined || text === undefined)
    return { environment: shell, lineOf: () => undefined, notes: [] }
  const { variables, unreadable: lines } = parseEnvFile(text, KNOWN, shell)
  if (lines.length > 0) {
    throw new ConfigError(
      `${path}: ${counted(lines)} cannot be read. A line is NAME=value, with quotes around a value that has spaces or #.`,
    )
  }
  const taken = [...variables].filter(([name]) => shell[name] === undefined)
  const ours = taken.filter(([name]) => OURS.includes(name))
  const unknown = [...variables].filter(([name]) => !KNOWN.includes(name) && !OF_OTHERS.test(name))
  const notes = [`read ${path}${ours.length === 0 ? '' : `: ${ours.map(([name]) => name).join(', ')}`}`]
  if (unknown.length > 0) {
    const numbers = unknown.map(([, { line }]) => line)
    notes.push(
      `${path}: ${counted(numbers)} ${numbers.length === 1 ? 'sets' : 'set'} nothing that Stockpile knows`,
    )
  }
  return {
    environment: { ...Object.fromEntries(taken.map(([name, { value }]) => [name, value])), ...shell },
    lineOf: (name) => (shell[name] === undefined ? variables.get(name)?.line : undefined),
    notes,
  }
}

function unreadable(path: string): (error: unknown) => never {
  return (error) => {
    throw new ConfigError(`${path} ${messageOf(error)}.`, { cause: error })
  }
}

function counted(lines: readonly number[]): string {
  return `${lines.length === 1 ? 'line' : 'lines'} ${lines.join(', ')}`
}
