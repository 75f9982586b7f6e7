import { sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'
import type { Pool } from '../database/connection.js'
import { compile, run, runOnce } from '../database/statement.js'

/** Statistics of the days of a range, by the names of the API; null where there are too few days. */
export interface Statistics {
  /**
   * Averages, the deviation and the weighted price are rounded half up to 4 decimals, or below 1 to 6 significant digits; the
   * average volume to an integer, unless a volume has a fraction.
   */
  average_daily_open_price: number | null
  average_daily_close_price: number | null
  average_daily_volume: number | null
  number_of_days: number
  /** first_date and last_date are ISO dates. */
  first_date: string | null
  last_date: string | null
  /** The four prices are stored ones, as the provider wrote them. */
  first_open_price: string | null
  last_close_price: string | null
  lowest_low_price: string | null
  highest_high_price: string | null
  /** Decimal digits: it may be more than a JavaScript number holds. */
  total_volume: string
  /** Of a sample: it takes two days or more. */
  close_price_standard_deviation: number | null
  /** Σ close × volume ÷ Σ volume; null when nothing was traded. */
  volume_weighted_average_price: number | null
}
export type StatisticName = keyof Statistics

/** Values of 1 or more have DECIMALS decimals; smaller values SIGNIFICANT_DIGITS digits from the first that is not 0. */
const DECIMALS = 4
const SIGNIFICANT_DIGITS = 6

/** SQL: an aggregate for each name. All computing is numeric, never floating point, and no value is rounded twice. */
const AGGREGATES: Record<StatisticName, SQL> = {
  average_daily_open_price: quotient('sum(open_price)', 'count(*)'),
  average_daily_close_price: quotient('sum(close_price)', 'count(*)'),
  average_daily_volume: averageOfVolumes(),
  number_of_days: sql`count(*)::int`,
  first_date: sql`min(date)::text`,
  last_date: sql`max(date)::text`,
  first_open_price: priceAt('open_price', 'min(financial_data.date)'),
  last_close_price: priceAt('close_price', 'max(financial_data.date)'),
  lowest_low_price: sql`min(low_price)::text`,
  highest_high_price: sql`max(high_price)::text`,
  total_volume: sql`coalesce(sum(volume), 0)::text`,
  close_price_standard_deviation: sampleDeviation('close_price'),
  volume_weighted_average_price: quotient('sum(close_price * volume)', 'sum(volume)'),
}
export const STATISTIC_NAMES: readonly StatisticName[] = Object.keys(AGGREGATES).filter(isStatisticName)
export const AVERAGES: readonly StatisticName[] = [
  'average_daily_open_price',
  'average_daily_close_price',
  'average_daily_volume',
]

export function isStatisticName(name: string): name is StatisticName {
  return Object.hasOwn(AGGREGATES, name)
}

/**
 * SQL: the quotient of two aggregates that are not negative, rounded half up to 4 decimals, or to 6 significant digits where it
 * is below 1; null for a divisor of 0.
 */
function quotient(dividend: string, divisor: string): SQL {
  const isOrdinary = `${dividend} >= ${divisor} OR ${dividend} = 0`
  const small = `${dividend} / ${divisor}`
  return sql.raw(
    `(CASE WHEN ${isOrdinary} THEN ${divided(dividend, divisor, DECIMALS)} ELSE ${dividedBy(dividend, divisor, unitsOf(small))} END)::float8`,
  )
}

/** SQL: the average volume, rounded half up to an integer unless a volume has a fraction. */
function averageOfVolumes(): SQL {
  const [dividend, divisor] = ['sum(volume)', 'count(*)']
  return sql`(CASE WHEN scale(sum(volume)) = 0 THEN ${sql.raw(divided(dividend, divisor, 0))}::float8 ELSE ${quotient(dividend, divisor)} END)`
}

/** SQL: a quotient rounded half up to so many decimals. */
function divided(dividend: string, divisor: string, decimals: number): string {
  const unit = (10 ** -decimals).toFixed(decimals)
  return `div(${2 * 10 ** decimals} * ${dividend} + ${divisor}, 2 * nullif(${divisor}, 0)) * ${unit}`
}

/**
 * SQL: a quotient rounded half up to a multiple of 1 ÷ `units`. Whole numbers are divided, because numeric division rounds
 * its last digit, and a second rounding of that result could go the wrong way.
 */
function dividedBy(dividend: string, divisor: string, units: string): string {
  return `div(2 * ${units} * ${dividend} + ${divisor}, 2 * ${divisor}) / ${units}`
}

/**
 * SQL: the power of ten that makes 6 significant digits of a small value a whole number. `small` may be wrong in its 16th
 * digit: so near a power of ten, either exponent leads to the right rounding.
 */
function unitsOf(small: string): string {
  return `('1e' || (${SIGNIFICANT_DIGITS - 1} - floor(log(${small}))))::numeric`
}

/**
 * SQL: the standard deviation of a sample, rounded as `quotient` rounds; null for fewer than two values. With u units to 1 it
 * is div(trunc(√(4u² × variance)) + 1, 2) ÷ u: the root is whole, or further from a whole number than 20 decimals can hide.
 * stddev_samp() has some 16 digits, and would be rounded a second time.
 */
function sampleDeviation(column: string): SQL {
  const squares = `(count(*) * sum(${column} * ${column}) - sum(${column}) * sum(${column}))`
  const divisor = `nullif(count(*) * (count(*) - 1), 0)`
  const units = unitsOf(`sqrt(${squares} / ${divisor})`)
  const root = (unit: string) =>
    `div(trunc(sqrt(round(div(4 * ${unit} * ${unit} * ${squares}, ${divisor}), 20))) + 1, 2)`
  return sql.raw(
    `(CASE WHEN ${squares} >= ${divisor} OR ${squares} = 0 THEN ${root(String(10 ** DECIMALS))} * ${(10 ** -DECIMALS).toFixed(DECIMALS)} ELSE ${root(units)} / ${units} END)::float8`,
  )
}

/** SQL: the price of one day, looked up: an ordered aggregate would keep all prices to give one. */
function priceAt(column: string, day: string): SQL {
  return sql.raw(`(SELECT one.${column}::text FROM financial_data AS one
    WHERE one.symbol = known.symbol AND one.date = ${day})`)
}

/** The length of a period, and how to_char writes which one it is. */
const PERIODS = {
  month: { length: '1 month', label: 'YYYY-MM' },
  quarter: { length: '3 months', label: 'YYYY-"Q"Q' },
  year: { length: '1 year', label: 'YYYY' },
} as const
export type Period = keyof typeof PERIODS
export const PERIOD_NAMES = ['month', 'quarter', 'year'] as const satisfies readonly Period[]

export interface StatisticsQuery {
  /** Each once. */
  symbols: readonly string[]
  /** ISO dates, inclusive. */
  startDate: string
  endDate: string
  /** What to compute. The plans of AVERAGES and STATISTIC_NAMES, passed as these very arrays, are kept. */
  names: readonly StatisticName[]
  /** Asks for an entry for each period that has rows, instead of one for the whole range. */
  groupBy?: Period | undefined
  /** The most entries to read. */
  limit: number
}

export interface StatisticsEntry extends Partial<Statistics> {
  symbol: string
  /** ISO dates: the range, or its part that lies in the period. */
  start_date: string
  end_date: string
  /** `2023-01`, `2023-Q1` or `2023`. */
  period?: string
}

export interface StatisticsFound {
  /** By symbol in the order of the query, then by period. */
  entries: StatisticsEntry[]
  /** Symbols without any row, whatever the range. */
  unknown: string[]
  /** Symbols with rows, none of which is in the range. */
  empty: string[]
  /** The sum of the symbols' versions: see `versionWhere`. */
  version: string
}

/** A line of the statement: `version` is the symbol's, null when it has no rows; grouped lines also say their period. */
type StatisticsRow = Partial<Statistics> & { symbol: string; version: string | null; days: number } & (
    | { absent: boolean; start_date: string; end_date: string; period: string }
    | { absent?: never }
  )

/** Reads the statistics of each symbol's days in a range, of raw prices. */
export async function readStatistics(db: Pool, query: StatisticsQuery): Promise<StatisticsFound> {
  const { symbols, startDate, endDate, names, groupBy, limit } = query
  const [symbol, ...others] = symbols
  const isOne = others.length === 0
  const values = { symbols: isOne ? symbol : textArray(symbols), startDate, endDate, limit }
  const common = COMMON.find((one) => one.names === names && one.groupBy === groupBy && one.isOne === isOne)
  const rows = await (common === undefined
    ? runOnce<StatisticsRow>(db, compile(statisticsStatement(names, groupBy, isOne)), values)
    : run<StatisticsRow>(db, common.statement, values))
  const found: StatisticsFound = { entries: [], unknown: [], empty: [], version: '0' }
  let versions = 0n
  let last: string | undefined
  for (const { version, absent, days, ...entry } of rows) {
    if (version === null) found.unknown.push(entry.symbol)
    else {
      // A symbol's periods follow each other, and its version counts once.
      if (entry.symbol !== last) versions += BigInt(version)
      last = entry.symbol
      if (absent === true || days === 0) found.empty.push(entry.symbol)
      // The order of the keys is the answer's.
      if (absent !== true) found.entries.push({ start_date: startDate, end_date: endDate, ...entry })
    }
  }
  found.version = versions.toString()
  return found
}

/** An array literal of PostgreSQL, each text in quotes: no symbol has a quote or a backslash in it. */
function textArray(symbols: readonly string[]): string {
  return `{${symbols.map((symbol) => `"${symbol}"`).join(',')}}`
}

const START = sql`${sql.placeholder('startDate')}::date`
const END = sql`${sql.placeholder('endDate')}::date`

/**
 * SQL: a line for each symbol or period, with columns in the order of the answer. Values: `symbols` as an array literal,
 * `startDate`, `endDate`, `limit`.
 * @param isOne whether `symbols` is one symbol itself: a sixth less work for PostgreSQL
 */
function statisticsStatement(
  names: readonly StatisticName[],
  groupBy: Period | undefined,
  isOne: boolean,
): SQL {
  const list = (parts: SQL[]) => sql.join(parts, sql`, `)
  const aggregates = names.map((name) => sql`${AGGREGATES[name]} AS ${sql.identifier(name)}`)
  const found = list(names.map((name) => sql`figures.${sql.identifier(name)}`))
  const period = groupBy === undefined ? undefined : periodColumns(groupBy)
  const columns =
    period === undefined
      ? sql`wanted.symbol, ${found}`
      : sql`figures.start_date IS NULL AS absent, figures.start_date, figures.end_date, wanted.symbol, figures.period, ${found}`
  const wanted = isOne
    ? sql`(SELECT ${sql.placeholder('symbols')}::text, 1)`
    : sql`unnest(${sql.placeholder('symbols')}::text::text[]) WITH ORDINALITY`
  return sql`
    SELECT known.version::text AS version, figures.days, ${columns}
      FROM ${wanted} AS wanted (symbol, position)
      LEFT JOIN symbols AS known ON known.symbol = wanted.symbol COLLATE "C" AND known.row_count > 0
      LEFT JOIN LATERAL (
        SELECT count(*)::int AS days, ${list(period === undefined ? aggregates : [period.columns, ...aggregates])} FROM financial_data
         WHERE symbol = known.symbol AND date BETWEEN ${START} AND ${END}
        ${period === undefined ? sql`` : sql`GROUP BY ${period.start}`}
      ) AS figures ON true
     ORDER BY wanted.position${period === undefined ? sql`` : sql`, figures.start_date`} LIMIT ${sql.placeholder('limit')}`
}

function periodColumns(name: Period) {
  const { length, label } = PERIODS[name]
  const start = sql.raw(`date_trunc('${name}', date::timestamp)`)
  const end = sql.raw(`date_trunc('${name}', date::timestamp) + interval '${length}' - interval '1 day'`)
  const columns = sql`greatest(${start}, ${START})::date::text AS start_date,
    least(${end}, ${END})::date::text AS end_date, to_char(${start}, ${sql.raw(`'${label}'`)}) AS period`
  return { start, columns }
}

/** Connections keep prepared statements, and each choice of names is another text: only the common choices are kept. */
const COMMON = [AVERAGES, STATISTIC_NAMES].flatMap((names) =>
  [undefined, ...PERIOD_NAMES].flatMap((groupBy) =>
    [true, false].map((isOne) => {
      return { names, groupBy, isOne, statement: compile(statisticsStatement(names, groupBy, isOne)) }
    }),
  ),
)
