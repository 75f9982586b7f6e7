import { z } from 'zod'
import { BACKENDS } from '../../environment/backends.js'
import type { Scenario } from '../scenario.js'

const POSTS = 100
const answer = z.object({ data: z.object({ id: z.string() }) })

export const repeatedPosts: Scenario = {
  number: 31,
  title: '100 parallel POSTs with one Idempotency-Key: one run, one answer',
  backends: BACKENDS,
  quick: true,
  // Only /readyz may answer 503, since it waits behind the POSTs for the database: the POSTs must all be answered with 202.
  environment: { allows503: true },
  async run({ http, sql, random, simulator, drained }) {
    const options = {
      method: 'POST',
      body: JSON.stringify({ symbols: ['IBM', 'AAPL'], outputsize: 'compact' }),
      headers: { 'idempotency-key': `fault-${random.between(1, 1e9)}` },
    }
    const answers = await Promise.all(
      Array.from({ length: POSTS }, () => http.request('/api/ingest', options)),
    )
    const odd = answers.filter(({ status }) => status !== 202)
    if (odd.length > 0) throw new Error(`${odd.length} answers, such as ${odd[0]?.status} ${odd[0]?.text}`)
    const ids = new Set(answers.map(({ text }) => answer.parse(JSON.parse(text)).data.id))
    const runs = await sql`SELECT FROM ingest_runs`
    if (ids.size !== 1 || runs.length !== 1) throw new Error(`${ids.size} ids, ${runs.length} runs`)
    const other = await http.request('/api/ingest', {
      ...options,
      body: JSON.stringify({ symbols: ['MSFT'] }),
    })
    if (other.status !== 422)
      throw new Error(`Another body with the same key was answered with ${other.status}`)
    await drained()
    if (simulator.arrivals().length !== 2)
      throw new Error(`${simulator.arrivals().length} requests for 2 symbols`)
  },
}
