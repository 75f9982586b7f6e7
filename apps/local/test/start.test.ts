import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort } from '@stockpile/embedded-postgres/free-port'
import { ownRedis } from '@stockpile/test-harness/redis-server'
import { type TestProcess, waitFor } from '@stockpile/test-harness/process'
import postgres from 'postgres'
import { expect, test } from 'vitest'
import { isAlive, START, STOP, useNpmStart } from './npm-start.js'

const { start, home, postmaster, everything } = useNpmStart()

async function rowsOf(port: string, symbol: string): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${port}/api/financial_data?symbol=${symbol}&limit=1`)
  const body: unknown = await answer.json()
  return Number(/"count":(\d+)/.exec(JSON.stringify(body))?.[1])
}

test('From an empty folder IBM and AAPL come in, every printed address answers, and SIGINT leaves no process', async () => {
  const port = String(await freePort())
  const first = start({ PORT: port })
  await first.waitForLine(/Ctrl-C stops everything/, START)
  expect(first.lines.join('\n')).toMatch(/SYNTHETIC DATA[^]*https:\/\/www\.alphavantage\.co\/support/)
  expect(first.lines).toContain('IBM: 100 rows (100 new), only the newest are served')
  expect(first.lines).toContain('AAPL: 100 rows (100 new), only the newest are served')
  expect([await rowsOf(port, 'IBM'), await rowsOf(port, 'AAPL')]).toEqual([100, 100])
  const addresses = first.lines
    .filter((line) => !line.includes('curl'))
    .flatMap((line) => /http:\/\/127\.0\.0\.1\S+/.exec(line)?.[0] ?? [])
  expect(addresses.length).toBeGreaterThanOrEqual(6)
  for (const address of addresses) expect([address, (await fetch(address)).status]).toEqual([address, 200])

  const prices = await (
    await fetch(addresses.find((address) => address.includes('financial_data')) ?? '')
  ).text()
  const newest = /end_date=([\d-]+)/.exec(first.lines.join('\n'))?.[1]
  // The page that is printed begins with the newest row.
  expect(/"date":"([\d-]+)"/.exec(prices)?.[1]).toBe(newest)

  const [, at] = / -p (\d+) /.exec(first.lines.join('\n')) ?? []
  const password = (await readFile(join(home(), 'postgres', 'password'), 'utf8')).trim()
  const sql = postgres(`postgres://stockpile@127.0.0.1:${at}/stockpile_simulated`, { password, max: 1 })
  try {
    const sessions = await sql<{ usename: string; rolsuper: boolean }[]>`
      SELECT DISTINCT usename, rolsuper FROM pg_stat_activity JOIN pg_roles ON rolname = usename
       WHERE application_name ~ 'api|worker' ORDER BY usename`
    expect([...sessions]).toEqual([
      { usename: 'stockpile_simulated_api', rolsuper: false },
      { usename: 'stockpile_simulated_worker', rolsuper: false },
    ])
  } finally {
    await sql.end()
  }

  const second = start({ PORT: String(await freePort()) })
  expect(await second.waitForExit(START)).toBe(1)
  expect(second.lines).toEqual([
    expect.stringContaining(`Another npm start is running on this data (process ${first.pid})`),
  ])

  const all = await everything(first)
  expect(all).toHaveLength(5)
  first.signal('SIGINT')
  expect(await first.waitForExit(STOP)).toBe(0)
  expect(all.filter(isAlive)).toEqual([])
})

test('What was unfinished at Ctrl-C is said there and at the next start, at which PostgreSQL has its port of before', async () => {
  const port = String(await freePort())
  const env = { PORT: port, SYMBOLS: 'IBM', ALPHAVANTAGE_REQUESTS_PER_DAY: '1' }
  const first = start(env)
  await first.waitForLine(/Ctrl-C stops everything/, START)
  expect(first.lines.join('\n')).toContain('POSTGRES_PORT')
  for (const symbols of [['MSFT', 'NVDA'], ['TSLA']]) {
    const body = JSON.stringify({ symbols })
    const headers = { 'content-type': 'application/json' }
    await fetch(`http://127.0.0.1:${port}/api/ingest`, { method: 'POST', headers, body })
  }
  first.signal('SIGINT')
  expect(await first.waitForExit(STOP)).toBe(0)
  expect(first.lines.at(-2)).toBe('2 runs are unfinished; they go on at the next npm start.')

  const again = start(env)
  await again.waitForLine(/already here: 1 symbol, 100 rows; newest first: IBM 100 rows/, START)
  await again.waitForLine(/2 runs go on from the last start, with 3 symbols to fetch/, START)
  await again.waitForLine(/Ctrl-C stops everything/, START)
  const portOf = ({ lines }: TestProcess) => / -p (\d+) /.exec(lines.join('\n'))?.[1]
  expect(portOf(first)).toMatch(/^\d+$/)
  expect(portOf(again)).toBe(portOf(first))
  expect(again.lines.join('\n')).not.toContain('POSTGRES_PORT')
  again.signal('SIGINT')
  expect(await again.waitForExit(STOP)).toBe(0)
})

test('Killed with SIGKILL, the next start serves what was there, and nothing of the first is left', async () => {
  const port = String(await freePort())
  const env = { PORT: port, ALPHAVANTAGE_PLAN: '75' }
  const killed = start(env)
  await killed.waitForLine(/2 symbols came in/, START)
  const left = await everything(killed)
  process.kill(killed.pid, 'SIGKILL')
  const again = start(env)
  await again.waitForLine(
    /already here: 2 symbols, 12,\d+ rows; newest first: (?=.*IBM 6,\d+ rows)(?=.*AAPL 6,\d+ rows)/,
    START,
  )
  await again.waitForLine(/Ctrl-C stops everything/, START)
  expect(await rowsOf(port, 'IBM')).toBeGreaterThan(6_000)
  again.signal('SIGTERM')
  expect(await again.waitForExit(STOP)).toBe(0)
  await waitFor(() => !left.some(isAlive), STOP)
})

test.each(['SIGKILL', 'SIGTERM'] as const)(
  'PostgreSQL ended by %s is one sentence, and the next start has what was stored',
  async (how) => {
    const env = { PORT: String(await freePort()), SYMBOLS: 'IBM' }
    const local = start(env)
    await local.waitForLine(/Ctrl-C stops everything/, START)
    const all = await everything(local)
    process.kill((await postmaster()) ?? 0, how)
    expect(await local.waitForExit(START)).toBe(1)
    expect(local.lines.at(-1)).toBe(
      'stockpile: PostgreSQL was ended by somebody, or by the system for want of memory. What was stored is safe: npm start again goes on from there.',
    )
    expect(local.lines.filter((line) => /^ +at /.test(line))).toEqual([])
    expect(all.filter(isAlive)).toEqual([])
    const again = start(env)
    await again.waitForLine(/already here: 1 symbol, 100 rows; newest first: IBM 100 rows/, START)
    again.signal('SIGINT')
    expect(await again.waitForExit(STOP)).toBe(0)
  },
)

test.for(['SIGKILL', 'SIGSTOP'] as const)(
  'Ctrl-C ends everything by itself after Redis got a %s',
  async (how, { skip }) => {
    const redis = await ownRedis()
    if (redis === null) return skip('there is no redis-server here')
    const local = start({ PORT: String(await freePort()), SYMBOLS: 'IBM', REDIS_URL: redis.url })
    await local.waitForLine(/Ctrl-C stops everything/, START)
    process.kill(redis.pid, how)
    local.signal('SIGINT')
    expect(await local.waitForExit(START)).toBe(0)
    expect(local.lines.join('\n')).not.toContain('was killed')
    expect(local.lines.at(-1)).toBe('Stopped.')
  },
)
