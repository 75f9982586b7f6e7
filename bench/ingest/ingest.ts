import { createClient } from '@stockpile/alphavantage'
import { startProgram } from '@stockpile/test/programs'
import { startTemporaryPostgres } from '@stockpile/test/temporary-postgres'
import { describeMachine } from '../figures/machine.js'
import { summarize, table, withSpread } from '../figures/summary.js'
import { copy, drizzleInsert, rowByRow } from './contestants.js'
import type { Contestant, Sample, Series } from './contestants.js'
import { CONCURRENCY, worker } from './worker.js'

/**
 * `pnpm bench ingest`: fetching and storing (simulator → worker → PostgreSQL) against COPY of the same rows into the same
 * table, all in turn in each round. Prints rows a second as ratios to COPY.
 */
export async function benchIngest(options: {
  rounds: number
  symbols: number
  years: number
  redisUrl: string | undefined
}): Promise<void> {
  // With these settings no checkpoint and no autovacuum falls into a round.
  const server = await startTemporaryPostgres({
    shared_buffers: '512MB',
    max_wal_size: '8GB',
    checkpoint_timeout: '30min',
    autovacuum: 'off',
  })
  const simulator = await startProgram('simulator', { args: ['--years', String(options.years)] })
  try {
    const series = await fetchAll(simulator.url, options.symbols)
    const rows = series.reduce((sum, one) => sum + one.bars.length, 0)
    const contestants: [string, Contestant][] = [
      ['COPY, one connection', copy(1)],
      [`COPY, ${CONCURRENCY} connections`, copy(CONCURRENCY)],
      ['worker, queue on PostgreSQL', worker(simulator.url, undefined)],
      ...(options.redisUrl === undefined
        ? []
        : [
            ['worker, queue on Redis', worker(simulator.url, options.redisUrl)] satisfies [
              string,
              Contestant,
            ],
          ]),
      ['drizzle .insert().values(), 1,000 rows each', drizzleInsert],
      ['row by row upsert', rowByRow],
    ]
    console.log(
      `${options.symbols} symbols, ${rows} rows; ${describeMachine()}; ${options.rounds} rounds, in turn`,
    )
    if (options.redisUrl === undefined) console.log('REDIS_URL is not set: the queue on Redis is left out')
    const samples = new Map<string, Sample[]>(contestants.map(([name]) => [name, []]))
    for (let round = 1; round <= options.rounds; round += 1) {
      for (const [name, run] of contestants) {
        // One round tells enough of a contestant that takes a hundred times as long.
        if (name.startsWith('row by row') && round > 1) continue
        const sample = await run(await server.createDatabase('bench'), series)
        samples.get(name)?.push(sample)
        console.log(`round ${round}: ${name}: ${Math.round(rows / (sample.ms / 1000))} rows/s`)
      }
    }
    report(samples, rows, CONCURRENCY)
  } finally {
    await simulator.stop()
    await server.stop()
  }
}

function report(samples: Map<string, Sample[]>, rows: number, connections: number): void {
  const one = samples.get('COPY, one connection') ?? []
  const many = samples.get(`COPY, ${connections} connections`) ?? []
  const ratio = (mine: Sample[], base: Sample[]) =>
    withSpread(
      summarize(
        mine.flatMap((sample, round) => (base[round] === undefined ? [] : [base[round].ms / sample.ms])),
      ),
    )
  const lines = [...samples].map(([name, own]) => {
    const memory = own.flatMap((sample) => sample.peakMemoryMb ?? [])
    return [
      name,
      `${Math.round(rows / (summarize(own.map((sample) => sample.ms)).median / 1000))}`,
      ratio(own, one),
      ratio(own, many),
      memory.length === 0 ? '' : `${Math.max(...memory).toFixed(0)} MB`,
    ]
  })
  console.log(
    `\n${table([['', 'rows/s', '÷ COPY × 1', `÷ COPY × ${connections}`, 'peak memory'], ...lines])}`,
  )
}

/** Fetches the rows that the simulator serves, which also fills its cache. */
async function fetchAll(url: string, symbols: number): Promise<Series[]> {
  const client = createClient({ baseUrl: url, apiKey: () => 'bench' })
  const series: Series[] = []
  for (let index = 0; index < symbols; index += 1) {
    const symbol = `BENCH${index}`
    series.push({ symbol, bars: (await client.fetchDaily({ symbol, outputsize: 'full' })).rows })
  }
  return series
}
