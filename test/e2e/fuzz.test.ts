import { useDatabase } from '@stockpile/test-harness/database'
import { expect, test } from 'vitest'
import { fuzz } from '../fuzz/fuzz.js'
import { reportText } from '../fuzz/report.js'
import { seedData } from '../fuzz/seed-data.js'
import { startProgram } from '../servers/programs.js'

const REQUESTS = 2_000
const SEED = 1

const database = useDatabase()

test('every answer is as the document says, whatever was asked', async () => {
  const api = await startProgram('api', {
    env: { DATABASE_URL: database.url, PORT: '0', LOG_LEVEL: 'error' },
  })
  try {
    const known = await seedData(api, database.url)
    const report = await fuzz({ baseUrl: api.url, known, requests: REQUESTS, seed: SEED })
    if (report.differing > 0) throw new Error(reportText(report, SEED))
    // Most valid requests were answered with data, and malformed ones were sent.
    expect(report.statuses.valid.get(200)).toBeGreaterThan(report.statuses.valid.get(400) ?? 0)
    expect(report.statuses.malformed.get(400)).toBeGreaterThan(0)
    expect(api.output()).toBe('')
  } finally {
    await api.stop()
  }
})
