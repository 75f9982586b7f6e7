import { fileURLToPath } from 'node:url'
import { useDatabase } from '@stockpile/test-harness/database'
import { useProcesses } from '@stockpile/test-harness/process'
import postgres from 'postgres'
import { describe, expect, test } from 'vitest'

const PROGRAM = fileURLToPath(new URL('../dist/main.js', import.meta.url))
const DEADLINE = { deadlineMs: 30_000 }

/** The text of a line: lines of the log are JSON, lines of a report are text. */
function textOf(line: string): string {
  if (!line.startsWith('{')) return line
  const parsed: unknown = JSON.parse(line)
  return String(typeof parsed === 'object' && parsed !== null && 'msg' in parsed ? parsed.msg : line)
}

describe('the migrate command', () => {
  const database = useDatabase({ empty: true })
  const processes = useProcesses()
  const run = async (env: Record<string, string>, args: string[] = []) => {
    const one = processes.start(PROGRAM, { env, args })
    return { code: await one.waitForExit(DEADLINE), said: one.lines.map(textOf).join('\n') }
  }

  test('prepares the queue’s tables too, so that a system without Redis starts on a new database', async () => {
    expect(await run({ DATABASE_URL: database.url })).toMatchObject({ code: 0 })
    const sql = postgres(database.url, { max: 1 })
    try {
      const [queue] = await sql`SELECT count(*)::int AS tables FROM pg_tables WHERE schemaname = 'bullmq'`
      expect(queue?.['tables']).toBeGreaterThan(0)
    } finally {
      await sql.end()
    }
  })

  test('says what it did, and that there is nothing left to do', async () => {
    expect((await run({ DATABASE_URL: database.url })).said).toMatch(/^Applied \d+ migrations\.$/m)
    expect((await run({ DATABASE_URL: database.url })).said).toMatch(/^The database schema is up to date\.$/m)
  })

  test('takes a password apart from the address, whatever its characters', async () => {
    const password = String.raw`p@ss/w#rd?:% \'"&=+ä`
    const url = new URL(database.url)
    const role = url.pathname.slice(1)
    const sql = postgres(database.url, { max: 1 })
    try {
      await sql.unsafe(`CREATE ROLE ${role} LOGIN SUPERUSER PASSWORD '${password.replaceAll("'", "''")}'`)
      Object.assign(url, { username: role, password: '' })
      expect(await run({ DATABASE_URL: url.href, DATABASE_PASSWORD: password })).toMatchObject({ code: 0 })
      const refused = await run({ DATABASE_URL: url.href, DATABASE_PASSWORD: `${password}!` })
      expect(refused.code).toBe(1)
      expect(refused.said).toContain('password authentication failed')
      expect(refused.said).not.toContain('p@ss')
    } finally {
      await sql.unsafe(`REASSIGN OWNED BY ${role} TO CURRENT_USER; DROP OWNED BY ${role}; DROP ROLE ${role}`)
      await sql.end()
    }
  })

  test('wants the passwords of both roles, or of none', async () => {
    expect(await run({ DATABASE_URL: database.url, API_DATABASE_PASSWORD: 'one' })).toEqual({
      code: 2,
      said: 'API_DATABASE_PASSWORD and WORKER_DATABASE_PASSWORD go together: set both, or neither.',
    })
  })

  test('--check says a line for each check and exits with 1 when something is wrong; --repair counts anew', async () => {
    const env = { DATABASE_URL: database.url }
    const never = await run(env, ['--check'])
    expect(never.code).toBe(1)
    expect(never.said).toMatch(/^WRONG +migrations: .*What to do: run the migrations/)
    await run(env)
    expect((await run(env, ['--check'])).said).toMatch(
      /\nok +days of symbols: as the rows say .*\nNothing is wrong\.$/s,
    )
    const sql = postgres(database.url, { max: 1 })
    try {
      await sql`INSERT INTO symbol_prefixes (prefix, symbol_count, row_count) VALUES ('X', 1, 1)`
    } finally {
      await sql.end()
    }
    expect(await run(env, ['--check'])).toMatchObject({ code: 1 })
    expect(await run(env, ['--check', '--repair'])).toMatchObject({ code: 0 })
    expect(await run(env, ['--check'])).toMatchObject({ code: 0 })
  })

  test('says how it is called, of whatever it does not know', async () => {
    for (const args of [['--repair'], ['--chek'], ['--help']]) {
      const answer = await run({ DATABASE_URL: database.url }, args)
      expect(answer.code).toBe(2)
      expect(answer.said).toMatch(/^usage: /)
    }
  })
})
