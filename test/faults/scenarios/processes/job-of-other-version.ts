import { JOB_KIND, jobIdOf } from '@stockpile/queue/job'
import type { JobData } from '@stockpile/queue/job'
import { BACKENDS } from '../../environment/backends.js'
import type { Scenario } from '../scenario.js'

export const jobOfOtherVersion: Scenario = {
  number: 36,
  title: 'jobs of an older and a newer version: failed as unsupported_version, the others go on',
  backends: BACKENDS,
  quick: true,
  environment: { workers: 0 },
  async run({ http, sql, jobs, programs, drained }) {
    await http.ingest(['OLDER', 'NEWER', 'SAME'])
    const items = await sql<{ id: number; symbol: string }[]>`SELECT id::int, symbol FROM ingest_items`
    for (const { id, symbol } of items.filter((item) => item.symbol !== 'SAME')) {
      await jobs().remove(jobIdOf(id))
      // No type of this version describes a job of another version.
      const data: unknown = { version: symbol === 'OLDER' ? 0 : 2, item: id, ticker: symbol }
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion
      await jobs().add(JOB_KIND, data as JobData, { jobId: jobIdOf(id) })
    }
    await programs.startWorker()
    await drained()
    const ends = await sql<{ symbol: string; end: string }[]>`
      SELECT item.symbol, concat_ws(' ', item.state, failure.class) AS end FROM ingest_items AS item
        LEFT JOIN ingest_failures AS failure ON failure.item_id = item.id`
    for (const { symbol, end } of ends) {
      const expected = symbol === 'SAME' ? 'succeeded' : 'failed unsupported_version'
      if (end !== expected) throw new Error(`${symbol}: ${end}`)
    }
  },
}
