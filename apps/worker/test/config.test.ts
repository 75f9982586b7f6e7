import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { limitsOf } from '@stockpile/alphavantage/plan'
import { limitsFor } from '@stockpile/db/limits'
import { PLANS } from '@stockpile/domain/plan'
import { describe, expect, onTestFinished, test } from 'vitest'
import { apiKeySource, MissingKeyError } from '../src/quota/api-key.js'
import { parseConfig } from '../src/config.js'
import { gapMs } from '../src/quota/job-spacing.js'

const minimal = { DATABASE_URL: 'postgres://user:password@127.0.0.1/stockpile', ALPHAVANTAGE_API_KEY: 'key' }

describe('the configuration', () => {
  test('has a default for all but the database and the key', () => {
    expect(parseConfig(minimal)).toMatchObject({
      redisUrl: undefined,
      baseUrl: 'https://www.alphavantage.co',
      plan: 'free',
      limits: { perSecond: 1, perMinute: 0, perDay: 25 },
      concurrency: 4,
      symbols: ['IBM', 'AAPL'],
      logLevel: 'info',
    })
  })

  test('overrides single limits of a plan, 0 meaning none', () => {
    const config = parseConfig({
      ...minimal,
      ALPHAVANTAGE_PLAN: '75',
      ALPHAVANTAGE_REQUESTS_PER_SECOND: '0',
      ALPHAVANTAGE_REQUESTS_PER_DAY: '500',
    })
    expect(config.limits).toEqual({ perSecond: 0, perMinute: 75, perDay: 500 })
  })

  test('takes an empty list of symbols for none, and every other empty variable for unset', () => {
    const config = parseConfig({
      ...minimal,
      SYMBOLS: '',
      REDIS_URL: '',
      ALPHAVANTAGE_PLAN: '',
      WORKER_CONCURRENCY: '',
    })
    expect(config).toMatchObject({ symbols: [], redisUrl: undefined, plan: 'free', concurrency: 4 })
    expect(parseConfig({ ...minimal, SYMBOLS: ' ibm,IBM , brk-b,' }).symbols).toEqual(['IBM', 'BRK-B'])
  })

  test.each([
    ['DATABASE_URL', 'mysql://127.0.0.1/x'],
    ['REDIS_URL', '127.0.0.1:6379'],
    ['ALPHAVANTAGE_PLAN', 'gold'],
    ['ALPHAVANTAGE_REQUESTS_PER_DAY', '-1'],
    ['WORKER_CONCURRENCY', '0'],
    ['WORKER_CONCURRENCY', '4.5'],
    ['SYMBOLS', 'IBM,\u0007'],
    ['LOG_LEVEL', 'loud'],
  ])('names %s when it is %j, and what it takes', (name, value) => {
    expect(() => parseConfig({ ...minimal, [name]: value })).toThrow(new RegExp(`^${name} takes `))
  })

  test('names every wrong variable at once, and never a value', () => {
    const wrong = () =>
      parseConfig({ DATABASE_URL: 'secret', ALPHAVANTAGE_API_KEY: 'secret', LOG_LEVEL: 'secret' })
    expect(wrong).toThrow(/DATABASE_URL.*\n.*LOG_LEVEL/)
    expect(wrong).not.toThrow(/secret/)
  })

  test('takes the key from the setting or from a file, by default where Docker mounts secrets, never from both', () => {
    const { DATABASE_URL } = minimal
    expect(parseConfig(minimal).key).toEqual({ value: 'key' })
    expect(parseConfig({ DATABASE_URL, ALPHAVANTAGE_API_KEY_FILE: '/key' }).key).toEqual({ file: '/key' })
    expect(parseConfig({ DATABASE_URL, ALPHAVANTAGE_API_KEY: '' }).key).toEqual({
      file: '/run/secrets/alphavantage_api_key',
    })
    expect(() => parseConfig({ ...minimal, ALPHAVANTAGE_API_KEY_FILE: '/key' })).toThrow(
      /^ALPHAVANTAGE_API_KEY is set and ALPHAVANTAGE_API_KEY_FILE too/,
    )
  })
})

describe('a key file', () => {
  test('is read again for every request, so a rotated key counts at once', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'stockpile-key-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const file = join(folder, 'key')
    const read = apiKeySource({ file })
    await expect(read()).rejects.toThrow(MissingKeyError)
    await writeFile(file, 'first\n')
    expect(await read()).toBe('first')
    await writeFile(file, 'second\n')
    expect(await read()).toBe('second')
    await writeFile(file, ' \n')
    await expect(read()).rejects.toThrow(/is empty/)
  })
})

test('each premium plan allows no more a second than it takes to spend its minute', () => {
  for (const plan of PLANS.filter((one) => one !== 'free')) {
    const perMinute = (perSecond: number) => {
      const [second] = limitsFor({ ...limitsOf(plan), perSecond })
      return second === undefined ? 0 : (60_000 * second.max) / (second.windowMs + second.marginMs)
    }
    const enough = [10, 20, 30].find((perSecond) => perMinute(perSecond) >= Number(plan))
    expect(limitsOf(plan)).toEqual({ perSecond: enough, perMinute: Number(plan), perDay: 0 })
  }
})

test('jobs start a little closer than the second and the minute allow, whatever the day does', () => {
  for (const limits of PLANS.map(limitsOf)) {
    const spans = limitsFor(limits)
      .filter(({ name, max }) => name !== 'day' && max > 0)
      .map(({ max, windowMs, marginMs }) => (windowMs + marginMs) / max)
    const gap = gapMs(limitsFor(limits))
    expect(gap).toBeLessThan(Math.max(...spans))
    expect(gap).toBeGreaterThan(0.85 * Math.max(...spans) - 1)
  }
  expect(gapMs(limitsFor({ perSecond: 0, perMinute: 0, perDay: 25 }))).toBe(0)
})

test('proxies are read in either case, the small one first, and refused by name without their value', () => {
  const base = { DATABASE_URL: 'postgres://u:p@h/d' }
  expect(parseConfig(base).proxy).toEqual({ httpProxy: '', httpsProxy: '', noProxy: '' })
  const env = { ...base, HTTPS_PROXY: 'http://big:1', https_proxy: 'small:3128', NO_PROXY: 'a,b' }
  expect(parseConfig(env).proxy).toEqual({
    httpProxy: '',
    httpsProxy: 'http://small:3128',
    noProxy: 'a,b',
  })
  for (const wrong of ['socks5://user:hidden@h:1', 'http://user:hidden@']) {
    expect(() => parseConfig({ ...base, HTTP_PROXY: wrong })).toThrow(/HTTP_PROXY takes an address/)
    expect(() => parseConfig({ ...base, HTTP_PROXY: wrong })).not.toThrow(/hidden/)
  }
})
