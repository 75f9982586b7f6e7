import { fileURLToPath } from 'node:url'
import { useDatabase } from '@stockpile/test-harness/database'
import { useProcesses } from '@stockpile/test-harness/process'
import postgres from 'postgres'
import { describe, expect, test } from 'vitest'

const DEADLINE = { deadlineMs: 20_000 }
const programs = {
  migrate: 'apps/migrate/dist/main.js',
  api: 'apps/api/dist/main.js',
  worker: 'apps/worker/dist/main.js',
  'npm start': 'apps/local/dist/main.js',
}
const PROGRAMS = Object.entries(programs).map(([name, path]) => ({
  name,
  file: fileURLToPath(new URL(`../../../${path}`, import.meta.url)),
}))
/** URLs whose user, password or path is not percent-encoded. */
const ODD = [
  'odd:CANARY#ss@w/rd%@127.0.0.1/db',
  'odd:1#CANARY@127.0.0.1/db',
  'odd:1/CANARY@127.0.0.1/db',
  'odd:CANARY%@127.0.0.1/db',
]

const { start } = useProcesses()
const database = useDatabase({ empty: true })

/** Runs a program until it ends by itself, and returns its exit code and its lines. */
async function run(file: string, env: Record<string, string>): Promise<{ code: unknown; lines: string[] }> {
  const program = start(file, { env: { ALPHAVANTAGE_API_KEY: 'key', SYMBOLS: '', PORT: '0', ...env } })
  const code = await program.waitForExit(DEADLINE)
  return { code, lines: program.lines }
}

/** The URL of the test's database with some parts changed. */
function changed(change: Partial<Pick<URL, 'password' | 'username' | 'pathname' | 'host'>>): string {
  return Object.assign(new URL(database.url), change).href
}

describe.each(PROGRAMS)('$name', ({ name, file }) => {
  test.each(ODD)('names DATABASE_URL, and what to encode, without a value: %s', async (rest) => {
    const { code, lines } = await run(file, { DATABASE_URL: `postgres://${rest}` })
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatch(/DATABASE_URL.*percent-encode/)
    expect(lines[0]).not.toMatch(/CANARY|odd/)
    expect(code).toBe(2)
  })

  test.skipIf(name === 'migrate')('does the same for the other URLs', async () => {
    const { code, lines } = await run(file, {
      DATABASE_URL: database.url,
      REDIS_URL: 'redis://:CANARY#1@127.0.0.1',
      ALPHAVANTAGE_BASE_URL: 'https://odd:CANARY%@127.0.0.1',
    })
    expect(lines).toHaveLength(name === 'api' ? 1 : 2)
    for (const line of lines) {
      expect(line).toMatch(/(REDIS_URL|ALPHAVANTAGE_BASE_URL).*percent-encode/)
      expect(line).not.toMatch(/CANARY|odd/)
    }
    expect(code).toBe(2)
  })

  test('says that a password is wrong', async () => {
    const { code, lines } = await run(file, { DATABASE_URL: changed({ password: 'CANARY' }) })
    expect(lines.at(-1)).toMatch(/password authentication failed for user .+stockpile.+DATABASE_URL/)
    expect(lines.join('\n')).not.toMatch(/CANARY|\n +at /)
    expect(code).toBe(1)
  })

  // `npm start` is left out since it makes the database.
  test.skipIf(name === 'npm start')('says that a database is missing', async () => {
    const { code, lines } = await run(file, { DATABASE_URL: changed({ pathname: '/nowhere' }) })
    expect(lines).toEqual([expect.stringMatching(/database .+nowhere.+ does not exist.*CREATE DATABASE/)])
    expect(code).toBe(1)
  })

  test('says that a host is unknown, or that nothing listens there', async () => {
    const wrong = [
      {
        host: 'nowhere.invalid:5432',
        says: /The host nowhere.invalid (is unknown|could not be looked up).*DATABASE_URL/,
      },
      { host: '127.0.0.1:1', says: /No PostgreSQL listens at 127.0.0.1:1.*DATABASE_URL/ },
      { host: '[::1]:1', says: /(No PostgreSQL listens|There is no way to PostgreSQL) at \[::1\]:1/ },
    ]
    for (const { host, says } of wrong) {
      const env = { DATABASE_URL: changed({ host }), ALPHAVANTAGE_API_KEY: 'key', SYMBOLS: '', PORT: '0' }
      const program = start(file, { env })
      const line = await program.waitForLine(says, DEADLINE)
      // API and worker would wait a minute for the server, so the test stops them.
      program.signal('SIGTERM')
      await program.waitForExit(DEADLINE)
      expect(line).not.toContain('    at ')
      expect(program.lines.join('\n')).not.toMatch(/\n +at /)
    }
  })
})

test('a table of somebody else is named, in place of the statement', async () => {
  const sql = postgres(database.url, { max: 1 })
  await sql`CREATE TABLE financial_data (symbol text)`
  await sql.end()
  const { code, lines } = await run(PROGRAMS[0]?.file ?? '', { DATABASE_URL: database.url })
  expect(lines).toEqual([
    expect.stringMatching(/table that Stockpile did not make.*financial_data.*of its own/),
  ])
  expect(code).toBe(1)
})
