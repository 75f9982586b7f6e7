import fc from 'fast-check'
import { expect, test } from 'vitest'
import { handedOn, PROGRAMS, type Program, variablesOf } from '../src/programs.js'
import { ConfigError, readVariables } from '../src/read.js'
import { factsOf, VARIABLE_NAMES } from '../src/variables.js'

const programs: Program[] = ['api', 'worker', 'migrate', 'npm start']

/** The message about an environment that is wrong; '' for one that is right. */
function messageOf(program: Program, environment: Record<string, string>): string {
  try {
    readVariables(PROGRAMS[program], environment)
  } catch (error) {
    if (error instanceof ConfigError) return error.message
    throw error
  }
  return ''
}

test('every default is a value that its variable takes, and is what an unset or empty one means', () => {
  for (const program of programs) {
    const names = variablesOf(program)
    const defaults = names.flatMap((name) => {
      const { default: text } = factsOf(name)
      return text === undefined ? [] : [[name, text] as const]
    })
    const unset = readVariables(PROGRAMS[program], {})
    expect(readVariables(PROGRAMS[program], Object.fromEntries(defaults))).toEqual(unset)
    const empty = names.filter((name) => factsOf(name).mayBeEmpty !== true).map((name) => [name, ''] as const)
    expect(readVariables(PROGRAMS[program], Object.fromEntries(empty))).toEqual(unset)
  }
})

test('every variable is read by a program or taken from .env, and says what it is for and what unset means', () => {
  for (const name of VARIABLE_NAMES) {
    const { about, default: text, envFile, unset } = factsOf(name)
    const readers = programs.filter((program) => variablesOf(program).includes(name))
    expect([name, readers.length + envFile.length > 0]).toEqual([name, true])
    expect([name, (text === undefined) !== (unset === undefined)]).toEqual([name, true])
    expect(about).toMatch(/^[^|]*\.$/)
  }
})

test('no text makes a message without the name of its variable, or with the text', () => {
  const secret = 'CANARY'
  fc.assert(
    fc.property(
      fc.constantFrom(...programs),
      fc.constantFrom(...VARIABLE_NAMES),
      fc.string(),
      fc.string(),
      (program, name, before, after) => {
        const message = messageOf(program, { [name]: `${before}${secret}${after}` })
        expect(message).not.toContain(secret)
        expect(message).toMatch(new RegExp(`^(${name} (takes|is no) .*\\.)?$`))
      },
    ),
    { numRuns: 2_000 },
  )
})

test('a line of a message says where the variable was set', () => {
  const whence = (name: string) => ` (line 4 of ${name})`
  expect(() => readVariables(PROGRAMS.api, { PORT: 'http' }, { whence })).toThrow(
    'PORT (line 4 of PORT) takes a port from 0 to 65535 (0: any free one; default 8081).',
  )
})

test('a program is handed the variables that it reads, with those that are replaced, and no secret of another', () => {
  const environment = Object.fromEntries([...VARIABLE_NAMES, 'AWS_SECRET'].map((name) => [name, 'given']))
  const replaced = { LOG_LEVEL: 'warn', DATABASE_PASSWORD: undefined, ALPHAVANTAGE_API_KEY: 'replaced' }
  const api = handedOn('api', environment, replaced)
  expect(Object.keys(api).toSorted()).toEqual([...variablesOf('api')].toSorted())
  expect(api).toMatchObject({ PORT: 'given', LOG_LEVEL: 'warn', DATABASE_PASSWORD: undefined })
  expect(api).not.toHaveProperty('ALPHAVANTAGE_API_KEY')
  expect(handedOn('worker', environment, replaced)).toHaveProperty('ALPHAVANTAGE_API_KEY', 'replaced')
})
