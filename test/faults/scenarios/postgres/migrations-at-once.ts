import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { startProcess } from '@stockpile/test-harness/process'
import type { TestProcess } from '@stockpile/test-harness/process'
import postgres from 'postgres'
import { z } from 'zod'
import type { Scenario } from '../scenario.js'

const PROGRAM = fileURLToPath(new URL('../../../../apps/migrate/dist/main.js', import.meta.url))
const JOURNAL = new URL('../../../../packages/db/migrations/meta/_journal.json', import.meta.url)
const REPLICAS = 20

export const migrationsAtOnce: Scenario = {
  number: 35,
  title: '20 replicas migrate an empty database at once: all exit with 0, each migration once',
  backends: ['postgres'],
  environment: { workers: 0 },
  async run({ postgres: server, sql: own, until }) {
    const [database] = await own<{ name: string }[]>`SELECT current_database() AS name`
    const name = `${database?.name}_empty`
    await server.createDatabase(name, { empty: true })
    const env = { DATABASE_URL: server.appUrlOf(name) }
    const sql = postgres(server.adminUrlOf(name), { max: 2, onnotice: () => {} })
    const replicas: TestProcess[] = []
    try {
      // All replicas wait for the end of this transaction, or the first would be done before the last one has started.
      const gate = await sql.reserve()
      await gate`BEGIN`
      await gate`CREATE SCHEMA drizzle`
      for (let one = 0; one < REPLICAS; one += 1) replicas.push(startProcess(PROGRAM, { env }))
      await until('all replicas', async () => {
        const waiting = await sql`
          SELECT FROM pg_stat_activity WHERE datname = ${name} AND wait_event_type = 'Lock'`
        return waiting.length === REPLICAS
      })
      await gate`ROLLBACK`
      gate.release()
      const codes = await Promise.all(replicas.map((one) => one.waitForExit({ deadlineMs: 60_000 })))
      if (codes.some((code) => code !== 0))
        throw new Error(`Exits: ${codes.join()}\n${replicas.flatMap((one) => one.lines).join('\n')}`)
      const applied = await sql`SELECT FROM drizzle.__drizzle_migrations`
      const journal = z
        .object({ entries: z.array(z.unknown()) })
        .parse(JSON.parse(await readFile(JOURNAL, 'utf8')))
      if (applied.length !== journal.entries.length)
        throw new Error(`${applied.length} migrations of ${journal.entries.length} are noted`)
    } finally {
      for (const one of replicas) one.signal('SIGKILL')
      await sql.end({ timeout: 5 })
    }
  },
}
