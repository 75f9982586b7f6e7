import { match, rejects } from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import { startProcess } from '@stockpile/test-harness/process'
import type { Scenario } from '../scenario.js'

const MIGRATION = fileURLToPath(new URL('../../../../apps/migrate/dist/main.js', import.meta.url))

export const schemaNewer: Scenario = {
  number: 37,
  title: 'the schema is newer than the code: API, worker and migration refuse to start and say why',
  backends: ['postgres'],
  quick: true,
  environment: { workers: 0 },
  async run({ sql, programs, databaseUrl }) {
    const [future] = await sql<{ id: number }[]>`
      INSERT INTO drizzle.__drizzle_migrations (hash, created_at) VALUES ('of the future', 9999999999999) RETURNING id`
    for (const start of [programs.startApi, programs.startWorker])
      await rejects(start(), /ended with 1 before it served:.*newer than this version/s)
    const migration = startProcess(MIGRATION, { env: { DATABASE_URL: databaseUrl } })
    try {
      const code = await migration.waitForExit({ deadlineMs: 30_000 })
      match(`${code}: ${migration.lines.join('\n')}`, /^1: .*newer than this version/s)
    } finally {
      migration.signal('SIGKILL')
    }
    await sql`DELETE FROM drizzle.__drizzle_migrations WHERE id = ${future?.id ?? 0}`
  },
}
