import { readFile } from 'node:fs/promises'
import type { Variables } from '@stockpile/config/programs'
import { codeOf, messageOf } from '../errors.js'

export interface EnvFile {
  /** The variables in the order of the file; a name that comes twice has the last value. */
  variables: Map<string, { value: string; line: number }>
  /** The numbers of the lines that cannot be read, from 1. */
  unreadable: number[]
}

/**
 * @returns the text of the file; undefined when there is none
 * @throws Error whose message says why the file cannot be read, in words that follow its path
 */
export async function readEnvFile(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw new Error(codeOf(error) === 'EISDIR' ? 'is a folder' : `cannot be read: ${messageOf(error)}`, {
      cause: error,
    })
  }
}

const NAME = String.raw`[A-Za-z_][\w.-]*`
const ASSIGNMENT = new RegExp(String.raw`^(?:export[ \t]+)?(${NAME})[ \t]*[=:][ \t]*`)
const BARE_NAME = new RegExp(String.raw`^(?:export[ \t]+)?(${NAME})[ \t]*(?:#.*)?$`)
const AFTER_QUOTES = /^[ \t]*(?:#.*)?$/
/** A quoted value, which may take several lines, by its quote. */
const QUOTED = { "'": /^'([^']*)'/, '"': /^"((?:[^"\\]|\\[^])*)"/ } as const
const ESCAPES = new Map([
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
])

/**
 * Parses the text of a `.env` as `docker compose` does: NAME=value, 'as it stands', "with \n and ${NAME}", comments.
 * @param known names that may stand without a value: the shell's value is meant
 * @param shell the variables of the shell, which go before those of the file in ${NAME}
 */
export function parseEnvFile(text: string, known: readonly string[], shell: Variables): EnvFile {
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/)
  const variables: EnvFile['variables'] = new Map()
  const unreadable: number[] = []
  const valueOf = (name: string) => shell[name] ?? variables.get(name)?.value
  for (let index = 0; index < lines.length; index += 1) {
    const number = index + 1
    const line = (lines[index] ?? '').trim()
    if (line === '' || line.startsWith('#')) continue
    const assignment = ASSIGNMENT.exec(line)
    const name = assignment?.[1]
    if (assignment === null || name === undefined) {
      if (!known.includes(BARE_NAME.exec(line)?.[1] ?? '')) unreadable.push(number)
      continue
    }
    const rest = line.slice(assignment[0].length)
    const quote = rest[0]
    let value: string | undefined
    if (quote === "'" || quote === '"') {
      const following = [rest, ...lines.slice(index + 1)].join('\n')
      const quoted = QUOTED[quote].exec(following)
      const end = following.slice(quoted?.[0].length).split('\n')[0] ?? ''
      if (quoted !== null && AFTER_QUOTES.test(end)) {
        const [whole, inner = ''] = quoted
        value = quote === "'" ? inner : expand(inner, valueOf, true)
        index += whole.split('\n').length - 1
      }
    } else value = expand(rest.replace(/(?:^|[ \t]+)#.*$/, '').trim(), valueOf, false)
    if (value === undefined) unreadable.push(number)
    else variables.set(name, { value, line: number })
  }
  return { variables, unreadable }
}

/** Replaces $NAME and ${…}; undefined where ${…} holds none of NAME, NAME:-default and NAME-default. */
function expand(
  text: string,
  valueOf: (name: string) => string | undefined,
  escapes: boolean,
): string | undefined {
  let sound = true
  const expanded = text.replaceAll(
    /\\([^])|\$\{([^}]*)\}?|\$([A-Za-z_]\w*)/g,
    (found, escaped?: string, braced?: string, name?: string) => {
      if (escaped !== undefined) {
        if (escaped === '$') return '$'
        return escapes ? (ESCAPES.get(escaped) ?? escaped) : found
      }
      if (name !== undefined) return valueOf(name) ?? ''
      const [, of, operator, otherwise = ''] = /^([A-Za-z_]\w*)(?:(:?-)([^]*))?$/.exec(braced ?? '') ?? []
      if (of === undefined || !found.endsWith('}')) {
        sound = false
        return ''
      }
      const value = valueOf(of)
      const missing = operator === ':-' ? (value ?? '') === '' : value === undefined
      return missing ? otherwise : (value ?? '')
    },
  )
  return sound ? expanded : undefined
}
