import { deepEqual, equal } from 'node:assert/strict'
import { z } from 'zod'
import { BACKENDS } from '../../environment/backends.js'
import { symbols } from '../../environment/symbols.js'
import type { Scenario } from '../scenario.js'

const workers = z.object({
  data: z.array(
    z.object({ plan: z.string(), state: z.string(), waiting: z.object({ for: z.string() }).nullable() }),
  ),
})

export const plansMixed: Scenario = {
  number: 43,
  title: 'two workers, plans free and 75, one queue: the day of one is spent, the other goes on',
  backends: BACKENDS,
  quick: true,
  environment: { workers: 0 },
  async run({ http, programs, causes, drained }) {
    await programs.startWorker({ ALPHAVANTAGE_PLAN: 'free', ALPHAVANTAGE_REQUESTS_PER_DAY: '3' })
    await programs.startWorker()
    causes.watch()
    const { id } = await http.ingest(symbols(20))
    await drained()
    equal((await http.run(id)).status, 'succeeded')
    const { data } = workers.parse(JSON.parse((await http.request('/api/workers')).text))
    deepEqual(
      data.map(({ plan, state, waiting }) => [plan, state, waiting?.for ?? null]),
      [
        ['free', 'waiting', 'quota'],
        ['75', 'working', null],
      ],
    )
    const { text } = await http.request('/api/quota')
    const quota = z.object({ data: z.object({ plan: z.string(), living_plans: z.array(z.string()) }) })
    deepEqual(quota.parse(JSON.parse(text)).data, { plan: '75', living_plans: ['75', 'free'] })
  },
}
