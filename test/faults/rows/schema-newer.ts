import { fileURLToPath } from 'node:url'
import { startProcess } from '@stockpile/test-harness/process'
import type { Row } from '../row.js'

const main = (program: string) => fileURLToPath(new URL(`../../../${program}/dist/main.js`, import.meta.url))

export const schemaNewer: Row = {
  number: 37,
  title: 'the schema is newer than the code: API, worker and migration refuse to start and say why',
  backends: ['postgres'],
  quick: true,
  world: { workers: 0 },
  async run({ sql, programs, databaseUrl }) {
    const [future] = await sql<{ id: number }[]>`
      INSERT INTO drizzle.__drizzle_migrations (hash, created_at) VALUES ('of the future', 9999999999999) RETURNING id`
    const { api, worker } = programs.environment
    const started = [
      startProcess(main('apps/api'), { env: api }),
      startProcess(main('apps/worker'), { env: worker }),
      startProcess(main('packages/db'), { env: { DATABASE_URL: databaseUrl } }),
    ]
    try {
      for (const one of started) {
        const code = await one.waitForExit({ deadlineMs: 30_000 })
        const said = one.lines.join('\n')
        if (code !== 1 || !said.includes('newer than this version'))
          throw new Error(`Ended with ${code} and said: ${said}`)
      }
    } finally {
      for (const one of started) one.signal('SIGKILL')
    }
    await sql`DELETE FROM drizzle.__drizzle_migrations WHERE id = ${future?.id ?? 0}`
  },
}
