import { BACKENDS } from '../../environment/backends.js'
import { symbols } from '../../environment/symbols.js'
import type { Scenario } from '../scenario.js'

/** Enough for three losses, each of which is noticed when the job's lock runs out. */
const DEADLINE_MS = 150_000
const OTHERS = symbols(9, 'OTHER')

export const poison: Scenario = {
  number: 3,
  title: 'one item kills its worker again and again, nine beside it: that one ends as poison',
  backends: BACKENDS,
  environment: { concurrency: 10 },
  async run({ http, sql, programs, simulator, onArrival, drained }) {
    simulator.rule({ symbol: 'POISON', answer: { kind: 'delay', ms: 60_000 } })
    for (const symbol of OTHERS) simulator.rule({ symbol, times: 1, answer: { kind: 'delay', ms: 4_000 } })
    let kills = 0
    let replacing: Promise<unknown> = Promise.resolve()
    onArrival(({ symbol }) => {
      if (symbol !== 'POISON') return
      kills += 1
      replacing = replacing.then(() => programs.kill(programs.worker)).then(() => programs.startWorker())
      // This promise is awaited below; its failure before then must not be an unhandled rejection.
      replacing.catch(() => {})
    })
    await http.ingest([...OTHERS, 'POISON'])
    await drained(DEADLINE_MS)
    await replacing
    const items = await sql<{ symbol: string; state: string; class: string | null }[]>`
      SELECT item.symbol, item.state, failure.class FROM ingest_items AS item
        LEFT JOIN ingest_failures AS failure ON failure.item_id = item.id`
    const wrong = items.filter(({ symbol, state, class: failure }) =>
      symbol === 'POISON'
        ? state !== 'failed' || failure !== 'poison'
        : state !== 'succeeded' || failure !== null,
    )
    if (items.length !== 10 || wrong.length > 0) throw new Error(`Charged wrongly: ${JSON.stringify(wrong)}`)
    if (kills !== 3)
      throw new Error(`POISON killed ${kills} workers: once beside others and twice alone is enough`)
  },
}
