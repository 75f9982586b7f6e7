import { createClient } from '@stockpile/client'
import { waitFor } from '@stockpile/test-harness/process'
import { startProgram } from '../servers/programs.js'
import type { RunningProgram } from '../servers/programs.js'
import type { Known } from './values.js'

const DEADLINE_MS = 60_000

/**
 * Fills the database as production does, through API, worker and simulator: symbols, a restatement, a rejected row, a
 * failure, and runs in several states. The worker is stopped at the end, so that the data stays as it is.
 */
export async function seedData(api: RunningProgram, databaseUrl: string): Promise<Known> {
  const client = createClient(api.url)
  const simulator = await startProgram('simulator')
  const rule = async (rules: object[]) => {
    await fetch(`${simulator.url}/simulator/rules`, { method: 'PUT', body: JSON.stringify(rules) })
  }
  const worker = await startProgram('worker', {
    env: {
      DATABASE_URL: databaseUrl,
      ALPHAVANTAGE_API_KEY: 'fuzz',
      ALPHAVANTAGE_BASE_URL: simulator.url,
      ALPHAVANTAGE_REQUESTS_PER_SECOND: '0',
      SYMBOLS: '',
    },
  })
  const runIds: string[] = []
  const ask = async (symbols: string[], force = false) => {
    const { data, error } = await client.POST('/api/ingest', { body: { symbols, force } })
    if (data === undefined) throw new Error(JSON.stringify(error))
    runIds.push(data.data.id)
    return data.data.id
  }
  const done = async (id: string) =>
    waitFor(
      async () => {
        const { data } = await client.GET('/api/ingest/{id}', { params: { path: { id } } })
        return data?.data.finished_at ?? undefined
      },
      { deadlineMs: DEADLINE_MS, what: 'the run' },
    )
  try {
    await rule([{ symbol: 'ODD', answer: { kind: 'bad_row', defect: 'nan' } }])
    await done(await ask(['IBM', 'AAPL', 'BRK-B', 'ODD', 'NOSUCH']))
    await rule([{ symbol: 'AAPL', answer: { kind: 'restated' } }])
    await done(await ask(['AAPL'], true))
    await done(await ask(['IBM']))
  } finally {
    await worker.stop()
    await simulator.stop()
  }
  const id = await ask(['MSFT', 'ORCL'])
  await client.POST('/api/ingest/{id}/cancel', { params: { path: { id } } })
  await ask(['QUEUED'])
  return { symbols: ['IBM', 'AAPL', 'BRK-B', 'ODD', 'NOSUCH', 'ibm'], runIds }
}
