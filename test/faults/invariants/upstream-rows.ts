import type { FetchedOutputsize } from '@stockpile/domain/run'
import type { Environment } from '../environment/environment.js'

const AT_ONCE = 8

/** Checks I2: each symbol's rows are what the upstream serves, digit by digit; a symbol that was never fetched has none. */
export async function unequalRows(
  environment: Environment,
  tampered: ReadonlySet<string>,
): Promise<string[]> {
  const { sql } = environment
  const symbols = await sql<{ symbol: string; outputsize: FetchedOutputsize | null }[]>`
    SELECT symbol, max(outputsize) FILTER (WHERE outcome = 'fetched') AS outputsize
      FROM (SELECT symbol, outputsize, outcome FROM ingest_items
            UNION ALL SELECT DISTINCT symbol, NULL, NULL FROM financial_data) AS known
     GROUP BY symbol ORDER BY symbol`
  const found: string[] = []
  const compare = async ({ symbol, outputsize }: (typeof symbols)[number]) => {
    const stored = await storedRows(environment, symbol)
    const served = outputsize === null ? [] : await servedRows(environment, symbol, outputsize)
    const differ = stored.filter((line, index) => line !== served[index]).length
    if (stored.length !== served.length || differ > 0)
      found.push(`I2: ${symbol} has ${stored.length} rows of ${served.length} served, ${differ} differ`)
  }
  const left = symbols.filter(({ symbol }) => !tampered.has(symbol))
  while (left.length > 0) await Promise.all(left.splice(0, AT_ONCE).map(compare))
  const repeated = await sql`SELECT FROM financial_data GROUP BY symbol, date HAVING count(*) > 1`
  if (repeated.length > 0) found.push(`I2: ${repeated.length} rows are there more than once`)
  return found
}

/** The rows of a symbol in the database, newest first, as lines of `date,open,high,low,close,volume`. */
export async function storedRows({ sql }: Pick<Environment, 'sql'>, symbol: string): Promise<string[]> {
  const rows = await sql<{ line: string }[]>`
    SELECT concat_ws(',', date, open_price, high_price, low_price, close_price, volume) AS line
      FROM financial_data WHERE symbol = ${symbol} ORDER BY date DESC`
  return rows.map((row) => row.line)
}

/** What a sound upstream serves of a symbol, as lines in the form and order of `storedRows`. */
export async function servedRows(
  { servers }: Environment,
  symbol: string,
  outputsize: FetchedOutputsize,
): Promise<string[]> {
  const query = new URLSearchParams({
    function: 'TIME_SERIES_DAILY',
    symbol,
    outputsize,
    datatype: 'csv',
    apikey: 'reference',
  })
  const answer = await fetch(`${servers.reference.url}/query?${query.toString()}`)
  const [header, ...lines] = (await answer.text()).trim().split(/\r?\n/)
  if (header !== 'timestamp,open,high,low,close,volume') throw new Error(`The reference answered ${header}`)
  return lines
}
