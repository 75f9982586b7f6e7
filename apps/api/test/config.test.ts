import { ConfigError } from '@stockpile/config/read'
import { expect, test } from 'vitest'
import { parseConfig } from '../src/config.js'

const DATABASE_URL = 'postgres://user:secret@127.0.0.1/stockpile'

function messageOf(environment: Record<string, string>): string {
  try {
    parseConfig(environment)
  } catch (error) {
    if (error instanceof ConfigError) return error.message
    throw error
  }
  return ''
}

test('a configuration needs the database alone, and has safe defaults', () => {
  const config = {
    databaseUrl: DATABASE_URL,
    redisUrl: undefined,
    queuePrefix: undefined,
    host: '127.0.0.1',
    port: 8081,
    logLevel: 'info',
  }
  expect(parseConfig({ DATABASE_URL })).toStrictEqual(config)
  expect(
    parseConfig({ DATABASE_URL, REDIS_URL: '', HOST: '', PORT: '', LOG_LEVEL: '', QUEUE_PREFIX: '' }),
  ).toStrictEqual(config)
})

test('a configuration takes what is given', () => {
  const given = {
    DATABASE_URL,
    REDIS_URL: 'rediss://h:1/2',
    HOST: '::1',
    PORT: '0',
    LOG_LEVEL: 'debug',
    QUEUE_PREFIX: 'a-1',
  }
  expect(parseConfig(given)).toMatchObject({
    redisUrl: 'rediss://h:1/2',
    host: '::1',
    port: 0,
    logLevel: 'debug',
    queuePrefix: 'a-1',
  })
})

test('all wrong variables are named at once, with what they take and without their values', () => {
  const message = messageOf({
    DATABASE_URL: 'mysql://u:canary@h/d',
    REDIS_URL: 'canary',
    PORT: '65536',
    LOG_LEVEL: 'canary',
  })
  expect(message.split('\n').map((line) => line.split(' ')[0])).toStrictEqual([
    'DATABASE_URL',
    'REDIS_URL',
    'PORT',
    'LOG_LEVEL',
  ])
  expect(message).toContain('from 0 to 65535')
  expect(message).not.toContain('canary')
})

test.each([{}, { DATABASE_URL: '' }])('an unset database says so: %o', (environment) => {
  expect(messageOf(environment)).toMatch(/^DATABASE_URL is not set/)
})

test.each(['', ' 1', '1e3', '-1', '0x50', '80.5', '99999'])('a port is a plain number: %j', (port) => {
  const message = messageOf({ DATABASE_URL, PORT: port })
  expect(message.startsWith('PORT takes a port from 0 to 65535')).toBe(port !== '')
})

test('a prefix of the queue is 1 to 50 letters, digits, - and _', () => {
  const prefix = 'aZ-_9'.repeat(10)
  expect(parseConfig({ DATABASE_URL, QUEUE_PREFIX: prefix }).queuePrefix).toBe(prefix)
  for (const wrong of [`${prefix}a`, 'a b', 'a:b', 'é'])
    expect(messageOf({ DATABASE_URL, QUEUE_PREFIX: wrong })).toMatch(/^QUEUE_PREFIX takes 1 to 50/)
})
