import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { BAR_COLUMNS } from '@stockpile/domain/bar'
import { residentBytes } from '@stockpile/test/memory'
import { startProgram } from '@stockpile/test/programs'
import { describeMachine } from './figures/machine.js'
import { summarize, table, withSpread } from './figures/summary.js'
import { openLargeTables } from './large-table/open.js'

const SIZE = { symbols: 1_000, days: 5_000 }
const ROWS = SIZE.symbols * SIZE.days
const WARM_UP_PAGES = 500
const MEMORY_EVERY_MS = 50
const MEBIBYTE = 2 ** 20

const COLUMNS = BAR_COLUMNS.join(', ')
/** COPY of what an export contains, in its order, and COPY of the table as it lies, which is faster. */
const COPY = {
  'psql, COPY in order as CSV': `COPY (SELECT ${COLUMNS} FROM financial_data ORDER BY symbol, date) TO STDOUT (FORMAT csv)`,
  'psql, COPY of the table': `COPY financial_data (${COLUMNS}) TO STDOUT`,
} as const
const [IN_ORDER, AS_IT_LIES] = ['psql, COPY in order as CSV', 'psql, COPY of the table'] as const

type Body = AsyncIterable<Uint8Array> | Iterable<Uint8Array>
interface Sample {
  ms: number
  bytes: number
  /** By how much the API's memory grew over what it had before the first export, in MiB; undefined for psql. */
  grownMb?: number
}

/**
 * `pnpm bench export`: 5 million rows through the API as CSV and NDJSON against psql's COPY … TO STDOUT, all in turn in each
 * round. Prints rows a second as ratios, and how far the API's memory grows. Needs psql. Sets exit code 1 when an export
 * is not whole, has less than half of COPY's rate or takes 50 MB.
 */
export async function benchExport(options: {
  directory: string
  fresh: boolean
  rounds: number
}): Promise<void> {
  const tables = await openLargeTables({ ...options, log: (line) => console.log(line) })
  try {
    const databaseUrl = await tables.open(SIZE)
    const api = await startProgram('api', {
      env: { DATABASE_URL: databaseUrl, PORT: '0', LOG_LEVEL: 'error' },
    })
    try {
      for (let page = 0; page < WARM_UP_PAGES; page += 1)
        await (await fetch(`${api.url}/api/financial_data?limit=100&page=${page + 1}`)).text()
      const before = (await residentBytes(api.pid)) / MEBIBYTE
      const exported = (format: string) => async () => {
        const watch = watchMemory(api.pid)
        const sample = await drain(async () => {
          const answer = await fetch(`${api.url}/api/financial_data?format=${format}`, PLAIN)
          return answer.body ?? []
        })
        return { ...sample, grownMb: (await watch.stop()) - before }
      }
      const contestants: [string, () => Promise<Sample>][] = [
        ...Object.entries(COPY).map(([name, statement]): [string, () => Promise<Sample>] => [
          name,
          () => copy(databaseUrl, statement),
        ]),
        ['API, CSV', exported('csv')],
        ['API, NDJSON', exported('ndjson')],
      ]
      console.log(`${ROWS} rows; ${describeMachine()}; ${options.rounds} rounds, in turn`)
      const samples = new Map<string, Sample[]>(contestants.map(([name]) => [name, []]))
      for (let round = 1; round <= options.rounds; round += 1) {
        for (const [name, run] of contestants) {
          const sample = await run()
          samples.get(name)?.push(sample)
          console.log(`round ${round}: ${name}: ${Math.round(ROWS / (sample.ms / 1_000))} rows/s`)
        }
      }
      report(samples)
    } finally {
      await api.stop()
    }
  } finally {
    await tables.stop()
  }
}

/** Asks for no compression, which psql does not have either. */
const PLAIN = { headers: { 'accept-encoding': 'identity' } }

async function copy(databaseUrl: string, statement: string): Promise<Sample> {
  const psql = spawn('psql', [databaseUrl, '-qXc', statement], { stdio: ['ignore', 'pipe', 'inherit'] })
  const closed = once(psql, 'close')
  const sample = await drain(() => bytesOf(psql.stdout))
  await closed
  if (psql.exitCode !== 0) throw new Error(`psql ended with ${psql.exitCode}`)
  return sample
}

async function* bytesOf(stream: Readable): AsyncGenerator<Uint8Array> {
  for await (const part of stream) if (Buffer.isBuffer(part)) yield part
}

/** Reads an answer to its end, and measures from the request to the last byte. */
async function drain(ask: () => Body | Promise<Body>): Promise<Sample> {
  const startedAt = performance.now()
  let bytes = 0
  for await (const part of await ask()) bytes += part.length
  return { ms: performance.now() - startedAt, bytes }
}

/** Looks at a process's memory until it is stopped, and returns the most that it found, in MiB. */
function watchMemory(pid: number): { stop(): Promise<number> } {
  let peak = 0
  const look = async () => {
    peak = Math.max(peak, (await residentBytes(pid)) / MEBIBYTE)
  }
  const timer = setInterval(() => void look(), MEMORY_EVERY_MS)
  return {
    async stop() {
      clearInterval(timer)
      await look()
      return peak
    },
  }
}

function report(samples: Map<string, Sample[]>): void {
  const of = (name: string) => samples.get(name) ?? []
  const ratio = (mine: Sample[], base: Sample[]) =>
    summarize(mine.map((sample, round) => (base[round]?.ms ?? NaN) / sample.ms))
  const lines = [...samples].map(([name, own]) => {
    const grown = own.flatMap((sample) => sample.grownMb ?? [])
    const { median } = summarize(own.map((sample) => sample.ms))
    return [
      name,
      `${Math.round(ROWS / (median / 1_000))}`,
      `${Math.round((own[0]?.bytes ?? NaN) / 1e6 / (median / 1_000))}`,
      withSpread(ratio(own, of(IN_ORDER))),
      withSpread(ratio(own, of(AS_IT_LIES))),
      grown.length === 0 ? '' : `${Math.max(...grown).toFixed(0)} MB`,
    ]
  })
  console.log(
    `\n${table([['', 'rows/s', 'MB/s', '÷ COPY in order', '÷ COPY of the table', 'memory grows by'], ...lines])}`,
  )

  const failures = [...wholeness(of)]
  for (const name of ['API, CSV', 'API, NDJSON']) {
    const rate = ratio(of(name), of(IN_ORDER)).median
    const grown = Math.max(...of(name).map((sample) => sample.grownMb ?? NaN))
    if (!(rate >= 0.5)) failures.push(`${name} has ${rate.toFixed(2)} of COPY's rate, not 0.5`)
    if (!(grown < 50)) failures.push(`${name} takes ${grown.toFixed(0)} MB, not less than 50`)
  }
  for (const failure of failures) console.error(failure)
  if (failures.length > 0) process.exitCode = 1
}

/** Yields a complaint for each export whose length does not follow from COPY's CSV: other row ends, or names and quotes around each value. */
function* wholeness(of: (name: string) => Sample[]): Generator<string> {
  const expected = of(IN_ORDER)[0]?.bytes ?? NaN
  const commas = BAR_COLUMNS.length - 1
  const names = BAR_COLUMNS.map((name) => `"${name}":""`).join(',').length + '{}'.length
  const lengths = {
    'API, CSV': expected + `${BAR_COLUMNS.join(',')}\r\n`.length + ROWS,
    'API, NDJSON': expected + ROWS * (names - commas),
  }
  for (const [name, length] of Object.entries(lengths))
    for (const { bytes } of of(name))
      if (bytes !== length) yield `${name} has ${bytes} bytes instead of ${length}`
}
