import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { pgOptions } from '@stockpile/db/driver-options'
import { migrateQueue } from '@stockpile/queue/backend'
import { useDatabase } from '@stockpile/test-harness/database'
import { useProcesses, waitFor } from '@stockpile/test-harness/process'
import postgres from 'postgres'
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest'
import * as z from 'zod'
import { startProgram } from '../../servers/programs.js'
import type { RunningProgram } from '../../servers/programs.js'

const DEADLINE_MS = 60_000
const MIGRATE = fileURLToPath(new URL('../../../apps/migrate/dist/main.js', import.meta.url))

/** Settings that somebody may have made for a database, each other than Stockpile needs. */
const SETTINGS = {
  DateStyle: 'German, DMY',
  TimeZone: 'Asia/Kolkata',
  IntervalStyle: 'sql_standard',
  client_encoding: 'LATIN1',
  extra_float_digits: '-15',
  bytea_output: 'escape',
  standard_conforming_strings: 'off',
  array_nulls: 'off',
  transform_null_equals: 'on',
  default_transaction_isolation: 'serializable',
  default_transaction_deferrable: 'on',
  search_path: 'elsewhere',
  row_security: 'off',
  quote_all_identifiers: 'on',
  lock_timeout: '1ms',
  statement_timeout: '1ms',
  transaction_timeout: '50ms',
  idle_session_timeout: '500ms',
  idle_in_transaction_session_timeout: '1ms',
}
/** Variables of a shell that are meant for another server; both drivers read more names than libpq does. */
const VARIABLES = {
  PGHOST: '203.0.113.1',
  PGHOSTADDR: '203.0.113.1',
  PGPORT: '1',
  PGUSER: 'somebody',
  PGUSERNAME: 'somebody',
  PGPASSWORD: 'CANARY',
  PGDATABASE: 'elsewhere',
  PGSSLMODE: 'require',
  PGSSL: 'require',
  PGSSLNEGOTIATION: 'direct',
  PGREQUIRESSL: '1',
  PGSSLROOTCERT: '/nowhere',
  PGCHANNELBINDING: 'require',
  PGOPTIONS: '-c search_path=elsewhere -c default_transaction_isolation=serializable',
  PGTARGETSESSIONATTRS: 'standby',
  PGREPLICATION: 'database',
  PGAPPNAME: 'somebody',
  PGTZ: 'Asia/Kolkata',
  PGDATESTYLE: 'German, DMY',
  PGCLIENTENCODING: 'LATIN1',
  PGCLIENT_ENCODING: 'LATIN1',
  PGCONNECT_TIMEOUT: '1',
  PGBINARY: 'true',
  PGPREPARE: 'false',
  PGFETCH_TYPES: 'true',
  PGMAX: '1',
  PGMAX_PIPELINE: '0',
  PGMAX_LIFETIME: '1',
  PGIDLE_TIMEOUT: '1',
  PGDEBUG: 'true',
  PGSERVICE: 'somewhere',
  PGDATA: '/nowhere',
}

const database = useDatabase({ empty: true })
const { start } = useProcesses()
const running: RunningProgram[] = []
let sql: postgres.Sql
beforeEach(() => {
  sql = postgres(database.url, { max: 1, onnotice: () => {}, connection: { search_path: 'public' } })
})
afterEach(async () => {
  await sql.end()
  for (const program of running.splice(0).toReversed()) await program.stop()
})

const runSchema = z.object({ data: z.object({ id: z.string(), status: z.string() }) })

/** Migrates twice, runs a worker that stores two symbols and fails one, and returns what the API then answers. */
async function answers(env: Record<string, string>): Promise<Record<string, unknown>> {
  const said = []
  for (const _ of [1, 2]) {
    const migrate = start(MIGRATE, { env: { ...env, DATABASE_URL: database.url } })
    const code = await migrate.waitForExit({ deadlineMs: DEADLINE_MS })
    said.push(...migrate.lines)
    expect([code, said]).toEqual([0, said])
  }
  await migrateQueue(pgOptions(database.url))

  const simulator = await startProgram('simulator', { args: ['--now', '2026-05-15T22:00:00Z'] })
  running.push(simulator)
  const provider = {
    ALPHAVANTAGE_API_KEY: 'key',
    ALPHAVANTAGE_BASE_URL: simulator.url,
    ALPHAVANTAGE_REQUESTS_PER_SECOND: '0',
    SYMBOLS: '',
  }
  const shared = { ...env, DATABASE_URL: database.url }
  running.push(await startProgram('worker', { env: { ...shared, ...provider } }))
  const api = await startProgram('api', { env: { ...shared, PORT: '0' } })
  running.push(api)

  const ask = await fetch(`${api.url}/api/ingest`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ symbols: ['IBM', 'AAPL', 'NOSUCH'] }),
  })
  const { data: run } = runSchema.parse(await ask.json())
  const ended = await waitFor(
    async () => {
      const text = await (await fetch(`${api.url}/api/ingest/${run.id}`)).text()
      const { data } = runSchema.parse(JSON.parse(text))
      // Within a second of the first prices every answer says that they are made up; the test waits for that too.
      const isSaid = text.includes('"synthetic_data":true')
      return isSaid && ['succeeded', 'partial', 'failed'].includes(data.status) ? data : undefined
    },
    { deadlineMs: DEADLINE_MS, what: 'the run' },
  )
  const found: Record<string, unknown> = { said, status: ended.status }
  const get = async (path: string) => {
    const answer = await fetch(`${api.url}${path}`)
    const next = /<([^>]+)>; rel="next"/.exec(answer.headers.get('link') ?? '')?.[1]
    const text = await answer.text()
    found[path] = [answer.status, text]
    return next === undefined ? undefined : new URL(next, api.url)
  }
  let next = await get('/api/financial_data?limit=3')
  for (let pages = 0; pages < 3; pages += 1) next = await get(`${next?.pathname}${next?.search}`)
  const year = 'start_date=2025-06-01&end_date=2026-05-14'
  for (const path of [
    '/api/financial_data?symbol=IBM&limit=5&page=7',
    `/api/financial_data?${year}&limit=4&order=desc`,
    '/api/financial_data?latest=true',
    '/api/financial_data?symbol=IBM&format=csv',
    '/api/financial_data?format=ndjson',
    `/api/financial_data?symbol=IBM&limit=3&as_of=${new Date().toISOString()}`,
    `/api/statistics?symbol=IBM&${year}&fields=all`,
    `/api/statistics?symbols=IBM,AAPL&${year}&group_by=month&fields=all`,
    '/api/symbols/IBM/revisions',
    '/api/failures?group_by=class',
    '/api/rejected_rows',
  ]) {
    await get(path)
  }
  found['tables'] = await sql`
    SELECT table_name, column_name, column_default, data_type FROM information_schema.columns
     WHERE table_schema = 'public' ORDER BY table_name, column_name`
  return found
}

/** Replaces instants and cursors, which differ from run to run. */
function withoutTimes(found: Record<string, unknown>): unknown {
  return JSON.parse(JSON.stringify(found).replaceAll(/20\d\d-\d\d-\d\dT[\d:.]+Z|cursor=[\w.-]+/g, '…'))
}

let plain: unknown
test('without settings of the host the answers are such', async () => {
  plain = withoutTimes(await answers({}))
  expect(plain).toMatchObject({
    status: 'partial',
    said: [/Applied \d+ migrations/, /up to date/].map((text) => expect.stringMatching(text) as unknown),
  })
  const [status, text] = z
    .tuple([z.number(), z.string()])
    .parse(z.record(z.string(), z.unknown()).parse(plain)['/api/financial_data?limit=3'])
  expect([status, text]).toEqual([200, expect.stringMatching(/"symbol":"AAPL","date":"20\d\d-\d\d-\d\d"/)])
}, 120_000)

test('settings of the database change none of them', async () => {
  await sql`CREATE SCHEMA elsewhere`
  await sql`CREATE TABLE elsewhere.financial_data (symbol text)`
  const name = new URL(database.url).pathname.slice(1)
  for (const [setting, value] of Object.entries(SETTINGS)) {
    await sql.unsafe(
      `ALTER DATABASE "${name}" SET ${setting} = ${setting === 'search_path' ? value : `'${value}'`}`,
    )
  }
  expect(withoutTimes(await answers({}))).toEqual(plain)
}, 120_000)

test('PG* variables change none of them', async () => {
  expect(withoutTimes(await answers(VARIABLES))).toEqual(plain)
}, 120_000)

test('npm start has a server of its own, whatever PG* variables say', async () => {
  const home = await mkdtemp(join(tmpdir(), 'stockpile-home-'))
  onTestFinished(() => rm(home, { recursive: true, force: true }))
  await chmod(home, 0o755)
  const local = start(fileURLToPath(new URL('../../../apps/local/dist/main.js', import.meta.url)), {
    env: { ...VARIABLES, STOCKPILE_HOME: home, PORT: '0' },
  })
  await local.waitForLine(/Stockpile serves at/, { deadlineMs: DEADLINE_MS })
  local.signal('SIGTERM')
  expect(await local.waitForExit({ deadlineMs: DEADLINE_MS })).toBe(0)
}, 120_000)
