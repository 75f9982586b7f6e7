import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { startSimulator } from '@stockpile/alphavantage/simulator'
import { freePort } from '@stockpile/embedded-postgres/free-port'
import { ownRedis } from '@stockpile/test-harness/redis-server'
import { type TestProcess, useProcesses, waitFor } from '@stockpile/test-harness/process'
import postgres from 'postgres'
import { afterEach, beforeEach, expect, test } from 'vitest'

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url))
const START = { deadlineMs: 30_000 }
const STOP = { deadlineMs: 10_000 }

const processes = useProcesses()
let home = ''

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'stockpile-local-'))
  // As root, PostgreSQL runs as another user.
  await chmod(home, 0o755)
})

afterEach(async () => {
  // Of a test that failed: the server outlives the npm start that started it.
  const pid = await postmaster()
  if (pid !== undefined && isAlive(pid)) {
    process.kill(pid, 'SIGQUIT')
    await waitFor(() => !isAlive(pid), STOP)
  }
  await rm(home, { recursive: true, force: true })
})

function start(env: Record<string, string>, args: string[] = []): TestProcess {
  return processes.start(MAIN, { env: { STOCKPILE_HOME: home, ...env }, args })
}

async function postmaster(): Promise<number | undefined> {
  const text = await readFile(join(home, 'postgres', 'data', 'postmaster.pid'), 'utf8').catch(() => '')
  return text === '' ? undefined : Number(text.split('\n')[0])
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** The process, its programs, and PostgreSQL. */
async function everything({ pid }: TestProcess): Promise<number[]> {
  const { stdout } = await promisify(execFile)('ps', ['-A', '-o', 'pid=,ppid='])
  const children = stdout
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .flatMap(([child, parent]) => (child !== undefined && parent === pid ? [child] : []))
  const server = await postmaster()
  return [...new Set([pid, ...children, ...(server === undefined ? [] : [server])])]
}

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
  const password = (await readFile(join(home, 'postgres', 'password'), 'utf8')).trim()
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

test('With a key the provider is asked, the key goes to the worker alone, and a symbol that fails says why', async () => {
  const KEY = 'CANARYKEY0123456'
  const provider = await startSimulator()
  const env = {
    PORT: String(await freePort()),
    ALPHAVANTAGE_API_KEY: KEY,
    ALPHAVANTAGE_BASE_URL: provider.url,
    ALPHAVANTAGE_PLAN: '75',
    SYMBOLS: 'IBM,INVALIDX',
  }
  try {
    const local = start(env)
    await local.waitForLine(/Ctrl-C stops everything/, START)
    expect(local.lines.join('\n')).not.toContain('SYNTHETIC')
    expect(local.lines.join('\n')).toMatch(/database stockpile of/)
    expect(local.lines).toContainEqual(
      expect.stringMatching(/^INVALIDX: failed: .*does not know this symbol.*Check it with a symbol search/),
    )
    const all = await everything(local)
    const { stdout } = await promisify(execFile)('ps', ['-A', '-o', 'args='])
    expect(stdout).not.toContain(KEY)
    // Only Linux shows another process's environment.
    const linux = process.platform === 'linux'
    const holders = await Promise.all(
      all
        .slice(1)
        .map(async (pid) => (await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '')).includes(KEY)),
    )
    expect(holders.filter(Boolean)).toHaveLength(linux ? 1 : 0)
    local.signal('SIGINT')
    expect(await local.waitForExit(STOP)).toBe(0)
    const logs = await readdir(join(home, 'logs'))
    const texts = await Promise.all(logs.map((name) => readFile(join(home, 'logs', name), 'utf8')))
    expect([...local.lines, ...texts].join('\n')).not.toContain(KEY)
  } finally {
    await provider.close()
  }
})

test('A taken port is one sentence, before anything is started', async () => {
  const other = createServer((_request, response) => response.end('not Stockpile')).listen(0, '127.0.0.1')
  await once(other, 'listening')
  try {
    const address = other.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const local = start({ PORT: String(port) })
    expect(await local.waitForExit(STOP)).toBe(1)
    expect(local.lines).toEqual([
      `stockpile: Port ${port} of 127.0.0.1 is taken by another program: end that one, or choose another port, e.g. PORT=${port + 1} npm start.`,
    ])
    expect(await readdir(home)).toEqual([])
  } finally {
    other.closeAllConnections()
    other.close()
  }
})

test('A wrong configuration is a sentence for each variable, and exit code 2', async () => {
  const local = start({ PORT: 'http', ALPHAVANTAGE_PLAN: 'gold' })
  expect(await local.waitForExit(STOP)).toBe(2)
  expect(local.lines).toEqual([
    expect.stringMatching(/^stockpile: PORT takes a port/),
    expect.stringMatching(/^ALPHAVANTAGE_PLAN takes one of free, 75/),
  ])
})

test('A .env is read: the shell goes first, a wrong value is named with its line, and what is of compose alone is no mistake', async () => {
  const file = join(home, '.env')
  await writeFile(
    file,
    'POSTGRES_PASSWORD=SECRET\nADMINER_PORT=1\n\nPORT=http\nALPHAVANTAGE_PLAN=gold\nALPHAVANTAGE_KEY=SECRET\n',
  )
  const wrong = start({ PORT: '0' }, [file])
  expect(await wrong.waitForExit(STOP)).toBe(2)
  expect(wrong.lines).toEqual([
    `  read ${file}: ALPHAVANTAGE_PLAN`,
    `  ${file}: line 6 sets nothing that Stockpile knows`,
    expect.stringMatching(/^stockpile: ALPHAVANTAGE_PLAN \(line 5 of .+\.env\) takes one of free, 75/),
  ])

  await writeFile(file, 'PORT=0\nthis is SECRET\n')
  const unreadable = start({}, [file])
  expect(await unreadable.waitForExit(STOP)).toBe(2)
  expect(unreadable.lines).toEqual([expect.stringMatching(/^stockpile: .+\.env: line 2 cannot be read\./)])

  await writeFile(file, 'PORT=0\nSYMBOLS=MSFT\n')
  const right = start({}, [file])
  await right.waitForLine(/^MSFT: 100 rows/, START)
  expect(right.lines[0]).toBe(`  read ${file}: PORT, SYMBOLS`)
  right.signal('SIGINT')
  expect(await right.waitForExit(STOP)).toBe(0)
})

test('Variables for another PostgreSQL, and secrets of others, reach neither our server nor our programs', async () => {
  const foreign = {
    PGSSLMODE: 'require',
    PGHOST: 'nowhere',
    PGOPTIONS: '-c datestyle=German',
    PGTARGETSESSIONATTRS: 'standby',
    PGPASSWORD: 'CANARY',
    AWS_SECRET_ACCESS_KEY: 'CANARY',
  }
  const port = String(await freePort())
  const local = start({ PORT: port, SYMBOLS: 'IBM', HTTPS_PROXY: 'http://127.0.0.1:9', ...foreign })
  await local.waitForLine(/Ctrl-C stops everything/, START)
  const answer = await fetch(`http://127.0.0.1:${port}/api/financial_data?symbol=IBM&limit=1&order=desc`)
  expect(await answer.text()).toMatch(/"date":"\d{4}-\d\d-\d\d"/)
  const started = (await everything(local)).filter((pid) => pid !== local.pid)
  expect(started).toHaveLength(4)
  // Only Linux shows another process's environment.
  const linux = process.platform === 'linux'
  const environments = await Promise.all(
    linux ? started.map((pid) => readFile(`/proc/${pid}/environ`, 'utf8')) : [],
  )
  for (const text of environments) expect(text).not.toMatch(/CANARY|\0PG|^PG/)
  expect(environments.filter((text) => text.includes('HTTPS_PROXY'))).toHaveLength(linux ? 3 : 0)
  local.signal('SIGINT')
  expect(await local.waitForExit(STOP)).toBe(0)
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
