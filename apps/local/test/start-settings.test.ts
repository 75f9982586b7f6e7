import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { startSimulator } from '@stockpile/alphavantage/simulator'
import { freePort } from '@stockpile/embedded-postgres/free-port'
import { expect, test } from 'vitest'
import { START, STOP, useNpmStart } from './npm-start.js'

const { start, home, everything } = useNpmStart()

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
    const logs = await readdir(join(home(), 'logs'))
    const texts = await Promise.all(logs.map((name) => readFile(join(home(), 'logs', name), 'utf8')))
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
    expect(await readdir(home())).toEqual([])
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
  const file = join(home(), '.env')
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
