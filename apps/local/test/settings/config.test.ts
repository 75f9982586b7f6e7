import { ConfigError } from '@stockpile/config/read'
import { expect, test } from 'vitest'
import { parseConfig } from '../../src/settings/config.js'

const parse = (environment: Record<string, string>) => parseConfig(environment, '/project')

function problemsOf(environment: Record<string, string>): string[] {
  try {
    parse(environment)
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split('\n')
    throw error
  }
  return []
}

test('Nothing needs to be set', () => {
  expect(parse({})).toMatchObject({
    home: '/project/.stockpile',
    databaseUrl: undefined,
    redisUrl: undefined,
    host: '127.0.0.1',
    port: 8081,
    simulated: true,
    plan: 'free',
    symbols: ['IBM', 'AAPL'],
    logLevel: 'info',
  })
})

test('An empty variable counts as unset, but for SYMBOLS, of which it means none', () => {
  expect(parse({ PORT: '', REDIS_URL: '', ALPHAVANTAGE_API_KEY: '', SYMBOLS: '' })).toMatchObject({
    port: 8081,
    redisUrl: undefined,
    simulated: true,
    symbols: [],
  })
})

test('A key, in a variable or in a file, means the real provider', () => {
  expect(parse({ ALPHAVANTAGE_API_KEY: 'k' }).simulated).toBe(false)
  expect(parse({ ALPHAVANTAGE_API_KEY_FILE: '/run/secrets/key' }).simulated).toBe(false)
})

test('Symbols are trimmed, upper-cased and taken once', () => {
  expect(parse({ SYMBOLS: ' ibm , BRK.B,,IBM' }).symbols).toEqual(['IBM', 'BRK.B'])
})

test('Every wrong variable is named at once, with what it takes and without its value', () => {
  const wrong = {
    PORT: '99999',
    POSTGRES_PORT: '0',
    HOST: 'a b',
    REDIS_URL: 'http://user:SECRET@x',
    DATABASE_URL: 'mysql://user:SECRET@x/y',
    ALPHAVANTAGE_PLAN: 'gold',
    ALPHAVANTAGE_REQUESTS_PER_DAY: '-1',
    WORKER_CONCURRENCY: '0',
    SYMBOLS: 'IBM,ü',
    LOG_LEVEL: 'loud',
  }
  const problems = problemsOf(wrong)
  expect(new Set(problems.map((line) => line.split(' ')[0]))).toEqual(new Set(Object.keys(wrong)))
  expect(problems).toHaveLength(Object.keys(wrong).length)
  expect(problems.join('')).not.toContain('SECRET')
})

test('A DATABASE_URL must name its database: the synthetic prices go to one named after it', () => {
  expect(problemsOf({ DATABASE_URL: 'postgres://127.0.0.1:5432' })).toEqual([
    'DATABASE_URL must name the database after the last slash.',
  ])
})

test('A base URL without a key is refused: it is neither the provider nor the simulator', () => {
  const [problem] = problemsOf({ ALPHAVANTAGE_BASE_URL: 'http://127.0.0.1:9999' })
  expect(problem).toContain('ALPHAVANTAGE_BASE_URL is set without a key')
})

test('Two keys are refused', () => {
  const [problem] = problemsOf({ ALPHAVANTAGE_API_KEY: 'k', ALPHAVANTAGE_API_KEY_FILE: '/k' })
  expect(problem).toContain('set only one of them')
})
