import { cpus } from 'node:os'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from '@stockpile/alphavantage'
import { connect } from '@stockpile/db/connection'
import { pgOptions } from '@stockpile/db/driver-options'
import { getRun } from '@stockpile/db/run-status'
import { createRun } from '@stockpile/db/runs'
import { financialData } from '@stockpile/db/schema'
import { chooseBackend } from '@stockpile/queue/backend'
import { enqueue, openQueue } from '@stockpile/queue/queue'
import { startProgram } from '@stockpile/test/programs'
import { startTemporaryPostgres } from '@stockpile/test/temporary-postgres'
import postgres from 'postgres'
import type { Bar } from '@stockpile/domain/bar'
import { peakMemoryMb } from './memory.js'
import { summarize, table } from './statistics.js'

const CONCURRENCY = 10
const DEADLINE_MS = 300_000

interface Series {
  symbol: string
  bars: readonly Bar[]
}
interface Sample {
  /** Of the part that counts, in milliseconds. */
  ms: number
  peakMemoryMb?: number
}
type Contestant = (databaseUrl: string, series: readonly Series[]) => Promise<Sample>

/**
 * Ingest, simulator → worker → PostgreSQL, against COPY of the same rows into the same table: both in each
 * round, in turn. Prints rows a second as ratios to COPY over one connection.
 */
export async function benchIngest(options: {
  rounds: number
  symbols: number
  years: number
  redisUrl: string | undefined
}): Promise<void> {
  // Room enough that no checkpoint and no autovacuum falls into a round.
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
      `${options.symbols} symbols, ${rows} rows; ${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}; ${options.rounds} rounds, in turn`,
    )
    if (options.redisUrl === undefined) console.log('REDIS_URL is not set: the queue on Redis is left out')
    const samples = new Map<string, Sample[]>(contestants.map(([name]) => [name, []]))
    for (let round = 1; round <= options.rounds; round += 1) {
      for (const [name, run] of contestants) {
        // What takes a hundred times as long shows as much in one round.
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
  const ratio = (mine: Sample[], base: Sample[]) => {
    const { median, spread } = summarize(
      mine.flatMap((sample, round) => (base[round] === undefined ? [] : [base[round].ms / sample.ms])),
    )
    return `${median.toFixed(2)} (±${((spread * 100) / 2).toFixed(0)} %)`
  }
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

/** The rows that the simulator serves, which also fills its cache. */
async function fetchAll(url: string, symbols: number): Promise<Series[]> {
  const client = createClient({ baseUrl: url, apiKey: () => 'bench' })
  const series: Series[] = []
  for (let index = 0; index < symbols; index += 1) {
    const symbol = `BENCH${index}`
    series.push({ symbol, bars: (await client.fetchDaily({ symbol, outputsize: 'full' })).rows })
  }
  return series
}

function copy(connections: number): Contestant {
  return async (databaseUrl, series) => {
    // What is to be sent is made before the clock starts.
    const parts: Buffer[][] = Array.from({ length: connections }, () => [])
    for (const [index, { symbol, bars }] of series.entries()) {
      const text = bars
        .map(
          (bar) =>
            `${symbol}\t${bar.date}\t${bar.open}\t${bar.high}\t${bar.low}\t${bar.close}\t${bar.volume}\n`,
        )
        .join('')
      parts[index % connections]?.push(Buffer.from(text))
    }
    const sql = postgres(databaseUrl, { max: connections })
    await Promise.all(parts.map(() => sql`SELECT pg_sleep(0.05)`))
    const startedAt = performance.now()
    await Promise.all(
      parts.map(async (part) => {
        const stream =
          await sql`COPY financial_data (symbol, date, open_price, high_price, low_price, close_price, volume) FROM STDIN`.writable()
        await pipeline(Readable.from(part), stream)
      }),
    )
    const ms = performance.now() - startedAt
    await sql.end()
    return { ms }
  }
}

/** A worker process of its own; the clock runs from the commit of the run to the end of its last item. */
function worker(simulatorUrl: string, redisUrl: string | undefined): Contestant {
  return async (databaseUrl, series) => {
    const prefix = `bench-${process.pid}-${Math.round(performance.now())}`
    const running = await startProgram('worker', {
      env: {
        DATABASE_URL: databaseUrl,
        ...(redisUrl === undefined ? {} : { REDIS_URL: redisUrl, QUEUE_PREFIX: prefix }),
        ALPHAVANTAGE_API_KEY: 'bench',
        ALPHAVANTAGE_BASE_URL: simulatorUrl,
        ALPHAVANTAGE_PLAN: '1200',
        ALPHAVANTAGE_REQUESTS_PER_SECOND: '0',
        ALPHAVANTAGE_REQUESTS_PER_MINUTE: '0',
        WORKER_CONCURRENCY: String(CONCURRENCY),
        SYMBOLS: '',
        LOG_LEVEL: 'info',
      },
    })
    const connection = connect({
      databaseUrl,
      applicationName: 'bench',
      maxConnections: 2,
      statementTimeoutMs: 60_000,
    })
    const queue = openQueue({
      backend: chooseBackend({ redisUrl, postgres: pgOptions(databaseUrl) }),
      prefix,
      onError: () => {},
    })
    try {
      const ingest = async (symbols: string[]) => {
        const { id, items } = await createRun(connection.db, {
          symbols,
          trigger: 'api',
          outputsize: 'full',
          force: true,
          priority: 'normal',
        })
        await enqueue(queue.handle, items, DEADLINE_MS)
        // Rarely, so that asking costs the server nothing that counts; the ends are the database's own times.
        for (
          const deadline = performance.now() + DEADLINE_MS;
          performance.now() < deadline;
          await sleep(200)
        ) {
          const run = await getRun(connection.db, id)
          if (run !== null && run.finishedAt !== null) return run
        }
        throw new Error(`the run took longer than ${DEADLINE_MS} ms`)
      }
      // A worker that has run for a while is what people have: the first symbols pay for its compilation.
      await ingest(Array.from({ length: 10 }, (_, index) => `WARM${index}`))
      const run = await ingest(series.map((one) => one.symbol))
      if (run.status !== 'succeeded') throw new Error(`the run ended ${run.status}:\n${running.output()}`)
      if (run.finishedAt === null) throw new Error('the run has no end')
      return {
        ms: Date.parse(run.finishedAt) - Date.parse(run.requestedAt),
        peakMemoryMb: await peakMemoryMb(running.pid),
      }
    } finally {
      await queue.close()
      await connection.close()
      await running.stop()
    }
  }
}

const drizzleInsert: Contestant = async (databaseUrl, series) => {
  const connection = connect({
    databaseUrl,
    applicationName: 'bench',
    maxConnections: 1,
    statementTimeoutMs: DEADLINE_MS,
  })
  const startedAt = performance.now()
  for (const { symbol, bars } of series) {
    for (let from = 0; from < bars.length; from += 1_000) {
      await connection.db.insert(financialData).values(
        bars.slice(from, from + 1_000).map((bar) => ({
          symbol,
          date: bar.date,
          openPrice: bar.open,
          highPrice: bar.high,
          lowPrice: bar.low,
          closePrice: bar.close,
          volume: bar.volume,
        })),
      )
    }
  }
  const ms = performance.now() - startedAt
  await connection.close()
  return { ms }
}

/** Each row a statement and a transaction of its own; measured on one symbol in fifty and scaled. */
const rowByRow: Contestant = async (databaseUrl, series) => {
  const some = series.slice(0, Math.max(1, Math.ceil(series.length / 50)))
  const sql = postgres(databaseUrl, { max: 1 })
  const startedAt = performance.now()
  for (const { symbol, bars } of some) {
    for (const bar of bars) {
      await sql`
        INSERT INTO financial_data (symbol, date, open_price, high_price, low_price, close_price, volume)
        VALUES (${symbol}, ${bar.date}, ${bar.open}, ${bar.high}, ${bar.low}, ${bar.close}, ${bar.volume})
        ON CONFLICT (symbol, date) DO UPDATE SET open_price = excluded.open_price, high_price = excluded.high_price,
          low_price = excluded.low_price, close_price = excluded.close_price, volume = excluded.volume`
    }
  }
  const ms = (performance.now() - startedAt) * (series.length / some.length)
  await sql.end()
  return { ms }
}
