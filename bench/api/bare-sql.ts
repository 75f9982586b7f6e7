import type postgres from 'postgres'

/** The best that the schema allows, written by hand: each page and its count are one prepared statement. */
export interface Page {
  limit: number
  offset: number
}
export interface Range {
  start: string
  end: string
}
interface Bar {
  symbol: string
  date: string
  open_price: string
  high_price: string
  low_price: string
  close_price: string
  volume: string
}
export interface Counted {
  count: number
  bars: Bar[]
}

export async function pageOfSymbol(sql: postgres.Sql, symbol: string, range: Range | null, page: Page) {
  const count =
    range === null
      ? sql`(SELECT row_count FROM symbols WHERE symbol = ${symbol})`
      : sql`(SELECT ${daysIn(sql, range)} FROM symbol_days WHERE symbol = ${symbol})`
  return counted(
    await sql<Line[]>`
      WITH total AS MATERIALIZED (SELECT coalesce(${count}, 0)::int AS count)
      SELECT total.count, ${columns(sql)} FROM total LEFT JOIN LATERAL (
        ${barsOf(sql, { symbol: sql`${symbol}`, rows: sql`total.count`, skip: sql`${page.offset}::int` }, range, page.limit)}
      ) AS bar ON true ORDER BY bar.date`,
  )
}

/** A page of everything, found by the totals of prefixes, then of symbols: no row before the page is read. */
export async function pageOfAll(sql: postgres.Sql, page: Page) {
  if (page.offset === 0)
    return counted(
      await sql<Line[]>`
        WITH total AS MATERIALIZED (SELECT coalesce(sum(row_count), 0)::float8 AS count FROM symbol_prefixes)
        SELECT total.count, ${columns(sql)} FROM total LEFT JOIN (
          SELECT * FROM financial_data ORDER BY symbol, date LIMIT ${page.limit}
        ) AS bar ON true`,
    )
  const before = (name: Fragment) => sql`sum(row_count::float8) OVER (ORDER BY ${name}) - row_count AS before`
  return counted(
    await sql<Line[]>`
      WITH prefixes AS MATERIALIZED (
        SELECT prefix, row_count AS rows, ${before(sql`prefix`)} FROM symbol_prefixes
      ), near AS MATERIALIZED (
        SELECT min(prefix) AS low, max(CASE WHEN length(prefix) < 2 THEN prefix ELSE prefix || chr(127) END) AS high,
               min(before) AS before FROM prefixes
         WHERE before < ${page.offset + page.limit}::float8 AND before + rows > ${page.offset}::float8
      ), placed AS MATERIALIZED (
        SELECT symbol, row_count AS rows, near.before + ${before(sql`symbol`)}
          FROM near JOIN symbols ON symbol BETWEEN low AND high
      )
      ${barsOfPlaced(sql, sql`coalesce((SELECT sum(rows) FROM prefixes), 0)::float8`, null, page)}`,
  )
}

/** A page of a range, found by each symbol's days in the range; the first page takes only their sum. */
export async function pageOfRange(sql: postgres.Sql, range: Range, page: Page) {
  if (page.offset === 0)
    return counted(
      await sql<Line[]>`
        WITH total AS MATERIALIZED (SELECT coalesce(sum(${daysIn(sql, range)}), 0)::int AS count FROM symbol_days)
        SELECT total.count, ${columns(sql)} FROM total LEFT JOIN (
          SELECT bar.* FROM symbols AS one CROSS JOIN LATERAL (
            SELECT * FROM financial_data AS stored WHERE stored.symbol = one.symbol AND ${isIn(sql, range)} ORDER BY stored.date LIMIT ${page.limit}
          ) AS bar ORDER BY one.symbol, bar.date LIMIT ${page.limit}
        ) AS bar ON true`,
    )
  return counted(
    await sql<Line[]>`
      WITH counted AS MATERIALIZED (
        SELECT symbol, ${daysIn(sql, range)} AS rows FROM symbol_days
      ), placed AS (
        SELECT symbol, rows, sum(rows::float8) OVER (ORDER BY symbol) - rows AS before FROM counted
      )
      ${barsOfPlaced(sql, sql`coalesce((SELECT sum(rows) FROM counted), 0)::int`, range, page)}`,
  )
}

export async function latest(sql: postgres.Sql, page: Page) {
  return counted(
    await sql<Line[]>`
      SELECT total.count, ${columns(sql)} FROM (SELECT coalesce(sum(symbol_count), 0)::int AS count FROM symbol_prefixes) AS total
        LEFT JOIN LATERAL (
          SELECT financial_data.*
            FROM (SELECT symbol, last_date FROM symbols WHERE row_count > 0
                   ORDER BY symbol LIMIT ${page.limit} OFFSET ${page.offset}) AS known
            JOIN financial_data USING (symbol) WHERE date = last_date) AS bar ON true
       ORDER BY bar.symbol`,
  )
}

export interface Averages {
  symbol: string
  open: number | null
  close: number | null
  volume: number | null
}

/** Averages of each symbol; a symbol without any row has no entry. */
export async function averages(sql: postgres.Sql, symbols: readonly string[], range: Range) {
  return sql<Averages[]>`
    SELECT wanted.symbol, average.*
      FROM unnest(${`{${symbols.join()}}`}::text::text[]) AS wanted (symbol) JOIN symbols ON symbols.symbol = wanted.symbol COLLATE "C",
           LATERAL (SELECT round(avg(open_price), 4)::float8 AS open, round(avg(close_price), 4)::float8 AS close,
                           round(avg(volume))::float8 AS volume
                      FROM financial_data WHERE financial_data.symbol = symbols.symbol AND ${isIn(sql, range)}) AS average`
}

type Line = { count: number } & (Bar | { [Column in keyof Bar]: null })
type Fragment = postgres.PendingQuery<postgres.Row[]>

function isIn(sql: postgres.Sql, range: Range | null): Fragment {
  return range === null ? sql`true` : sql`date BETWEEN ${range.start}::date AND ${range.end}::date`
}

/** SQL: how many days of a row of symbol_days lie in the range. */
function daysIn(sql: postgres.Sql, { start, end }: Range): Fragment {
  return sql`days_between(first_day, days, ${start}::date, ${end}::date)`
}

/** SQL: a bar's columns. Only days on the page become text, not days that are passed on the way. */
function columns(sql: postgres.Sql): Fragment {
  return sql`bar.symbol, bar.date::text, open_price, high_price, low_price, close_price, volume`
}

/** SQL: a symbol's bars from `skip` on, reached from the nearer end of its `rows`. */
function barsOf(
  sql: postgres.Sql,
  { symbol, rows, skip }: { symbol: Fragment; rows: Fragment; skip: Fragment },
  range: Range | null,
  limit: number,
): Fragment {
  const bars = sql`SELECT * FROM financial_data WHERE symbol = ${symbol} AND ${isIn(sql, range)}`
  return sql`
    (${bars} AND ${skip} * 2 <= ${rows} ORDER BY financial_data.date LIMIT ${limit} OFFSET ${skip})
    UNION ALL
    (${bars} AND ${skip} * 2 > ${rows} ORDER BY financial_data.date DESC
      LIMIT greatest(0, least(${limit}, ${rows} - ${skip})) OFFSET greatest(0, ${rows} - ${skip} - ${limit}))`
}

function barsOfPlaced(
  sql: postgres.Sql,
  count: Fragment,
  range: Range | null,
  { limit, offset }: Page,
): Fragment {
  const skip = sql`greatest(0, ${offset}::float8 - touched.before)::int`
  return sql`
    SELECT total.count, ${columns(sql)} FROM (SELECT ${count} AS count) AS total LEFT JOIN LATERAL (
      SELECT bar.* FROM (SELECT * FROM placed WHERE before < ${offset + limit}::float8 AND before + rows > ${offset}::float8) AS touched,
             LATERAL (${barsOf(sql, { symbol: sql`touched.symbol`, rows: sql`touched.rows::int`, skip }, range, limit)}) AS bar
       ORDER BY bar.symbol, bar.date LIMIT ${limit}
    ) AS bar ON true ORDER BY bar.symbol, bar.date`
}

function counted(lines: Line[]): Counted {
  const count = lines[0]?.count ?? 0
  return { count, bars: lines.filter((line) => line.symbol !== null) }
}
