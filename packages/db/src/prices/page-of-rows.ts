import { sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'
import { ASCENDING, DESCENDING, filterOf, rowsOf } from './financial-data-query.js'
import type { Filter, FinancialDataQuery } from './financial-data-query.js'
import { rowsAfter } from './rows-after.js'
import { versionWhere } from './version.js'

/** A query's filter as SQL, and the properties of the query that decide a statement's text. */
interface Shape extends Filter {
  isEverything: boolean
  hasRange: boolean
  /** Whether the query names no symbols. */
  isOfAll: boolean
  latest: boolean
  direction: SQL
}

const offset = sql`${sql.placeholder('offset')}::float8`
const limit = sql`${sql.placeholder('limit')}::float8`

/**
 * SQL: a page and how many rows match in all, as of one moment. Symbols before the page are passed by their row counts or,
 * within a range, by their days; only rows of the page's first symbol are passed one by one, from the nearer end.
 *
 * Values: those of `FilterValues`, `limit` and `offset`. Each line has `count`, `version` (see `versionWhere`) and a bar's
 * columns; past the end there is one line, whose bar is null. Row counts are float8: exact up to 2^53, and added up faster
 * than bigints.
 */
export function pageOfRows(query: FinancialDataQuery): SQL {
  const shape = shapeOf(query)
  return query.symbols?.length === 1 ? pageOfSymbol(shape) : pageOfSymbols(shape)
}

/**
 * SQL: the first page, in lines as `pageOfRows` has them. Most requests ask for it, and no symbol has to be passed: the count
 * and the first rows are enough. Values: those of `FilterValues` and `limit`.
 */
export function firstPageOfRows(query: FinancialDataQuery): SQL {
  const shape = shapeOf(query)
  return sql`
    WITH total AS MATERIALIZED (${query.symbols?.length === 1 ? totalOfSymbol(shape) : totalOf(shape)})
    SELECT total.count, total.version, bar.* FROM total LEFT JOIN (${rowsAfter(query, false)}) AS bar ON true`
}

function shapeOf(query: FinancialDataQuery): Shape {
  const { symbols, startDate, endDate, asOf } = query
  const latest = query.latest === true
  const hasRange = startDate !== undefined || endDate !== undefined
  const isFiltered = hasRange || symbols !== undefined || asOf !== undefined
  return {
    ...filterOf(query),
    isEverything: latest ? symbols === undefined : !isFiltered,
    hasRange,
    isOfAll: symbols === undefined,
    latest,
    direction: query.order === 'desc' ? DESCENDING : ASCENDING,
  }
}

/** SQL: one line with `count` and `version`. */
function totalOf(shape: Shape): SQL {
  const { rows, table, where } = matchOf(shape)
  if (shape.isEverything)
    return sql`
      SELECT coalesce(sum(${knownRowsOf(shape)}), 0) AS count, coalesce(sum(version), 0)::text AS version FROM symbol_prefixes`
  return sql`
    SELECT coalesce(sum((${rows})::float8), 0) AS count, ${versionWhere(shape.isOfAll ? undefined : shape.isWanted)} AS version
      FROM ${table} WHERE ${where} AND ${shape.isWanted}`
}

/** SQL: one line with `count`, `version`, and the days between which a symbol's rows lie; no line for an unknown symbol. */
function totalOfSymbol(shape: Shape): SQL {
  const { rows, lower, upper, table } = matchOf(shape)
  // A symbol without rows has no line in symbol_days.
  const count =
    table === SYMBOLS
      ? rows
      : sql`coalesce((SELECT ${rows} FROM ${table} AS other WHERE other.symbol = symbols.symbol), 0)`
  return sql`
    SELECT ${count}::float8 AS count, version::text, ${lower} AS lower, ${upper} AS upper
      FROM ${SYMBOLS} WHERE ${shape.isWanted}`
}

/** How many matching rows a row of `symbol_prefixes` stands for. */
function knownRowsOf({ latest }: Shape): SQL {
  return latest ? sql`symbol_count::float8` : sql`row_count::float8`
}

/**
 * SQL: the rows of one symbol without the first `skip` and the last `rest`, in no order. `skip`, `rest` and `take` are columns
 * of the statement (see `partOf`).
 */
function middleOf(filter: Filter, part: { symbol: SQL; lower: SQL; upper: SQL }): SQL {
  const forwards = sql`CASE WHEN skip <= rest THEN take ELSE 0 END`
  const backwards = sql`CASE WHEN skip <= rest THEN 0 ELSE take END`
  return sql`
    (${rowsOf(filter, { ...part, direction: ASCENDING, limit: forwards, offset: sql`skip` })}) UNION ALL
    (${rowsOf(filter, { ...part, direction: DESCENDING, limit: backwards, offset: sql`rest` })})`
}

/** SQL: where the page begins and ends in ascending order; the descending order is its reverse. */
function stretchOf({ direction }: Shape): SQL {
  return direction === DESCENDING
    ? sql`count - ${offset} - ${limit} AS start, count - ${offset} AS stop`
    : sql`${offset} AS start, ${offset} + ${limit} AS stop`
}

/** SQL: how many of a symbol's rows lie before the page (`skip`), behind it (`rest`) and on it (`take`). */
const partOf = (before: SQL, rows: SQL) => sql`
  CROSS JOIN LATERAL (
    SELECT least(greatest(start - ${before}, 0), ${rows})::bigint AS skip, least(greatest(${before} + ${rows} - stop, 0), ${rows})::bigint AS rest
  ) AS outside
  CROSS JOIN LATERAL (SELECT ${rows}::bigint - skip - rest AS take) AS inside`

/** SQL for one symbol, the commonest query: a plan of half the size. MATERIALIZED, lest the count be made at each use. */
function pageOfSymbol(shape: Shape): SQL {
  const part = { symbol: sql`${sql.placeholder('symbols')}`, lower: sql`lower`, upper: sql`upper` }
  return sql`
    WITH total AS MATERIALIZED (${totalOfSymbol(shape)}), page AS (
      SELECT * FROM total CROSS JOIN LATERAL (SELECT ${stretchOf(shape)}) AS stretch ${partOf(sql`0`, sql`count`)}
    )
    SELECT page.count, page.version, bar.* FROM page LEFT JOIN LATERAL (${middleOf(shape, part)}) AS bar ON true
     ORDER BY bar.date ${shape.direction}`
}

function pageOfSymbols(shape: Shape): SQL {
  const { direction, isEverything } = shape
  const part = { symbol: sql`counted.symbol`, lower: sql`lower`, upper: sql`upper` }
  return sql`
    WITH ${isEverything ? countedByPrefix(shape) : countedBySymbol(shape)}
    SELECT page.count, page.version, bar.*
      FROM page LEFT JOIN (
        SELECT bar.* FROM page JOIN counted ON ${isOnPage} ${partOf(sql`before`, sql`rows`)}
          CROSS JOIN LATERAL (${middleOf(shape, part)}) AS bar
      ) AS bar ON true
     ORDER BY bar.symbol ${direction}, bar.date ${direction}`
}

const isOnPage = sql`before < stop AND before + rows > start`

const sumBefore = (rows: SQL, order: SQL) => sql`sum(${rows}) OVER (ORDER BY ${order}) - ${rows}`

/**
 * SQL: `counted`, how many rows of each symbol match, how many lie before them, and between which days they lie; and `page`,
 * the stretch. `matching` is MATERIALIZED, lest each symbol be counted at each use.
 */
function countedBySymbol(shape: Shape): SQL {
  const { rows, lower, upper, table, where } = matchOf(shape)
  return sql`
    matching AS MATERIALIZED (
      SELECT symbol, ${lower} AS lower, ${upper} AS upper, (${rows})::float8 AS rows FROM ${table} WHERE ${where} AND ${shape.isWanted}
    ), counted AS (
      SELECT symbol, lower, upper, rows, ${sumBefore(sql`rows`, sql`symbol`)} AS before FROM matching
    ), page AS MATERIALIZED (
      SELECT count, ${versionWhere(shape.isOfAll ? undefined : shape.isWanted)} AS version, ${stretchOf(shape)}
        FROM (SELECT coalesce(sum(rows), 0) AS count FROM matching) AS total
    )`
}

/**
 * SQL: `counted` and `page` for all symbols without a range. The totals of prefixes lead to the few symbols of the page, so
 * that the page 4,000,000 costs what the first page does. chr(127) sorts behind every character of a symbol.
 */
function countedByPrefix(shape: Shape): SQL {
  const { rows, lower, upper, where } = matchOf(shape)
  const known = knownRowsOf(shape)
  return sql`
    prefixes AS MATERIALIZED (
      SELECT prefix, version, ${known} AS rows, ${sumBefore(known, sql`prefix`)} AS before FROM symbol_prefixes
    ), page AS MATERIALIZED (
      SELECT count, version, ${stretchOf(shape)}
        FROM (SELECT coalesce(sum(rows), 0) AS count, coalesce(sum(version), 0)::text AS version FROM prefixes) AS total
    ), near AS MATERIALIZED (
      -- A prefix of one character is a symbol, and of that symbol alone.
      SELECT min(prefix) AS lowest, max(CASE WHEN length(prefix) < 2 THEN prefix ELSE prefix || chr(127) END) AS highest,
             min(before) AS before FROM prefixes, page WHERE ${isOnPage}
    ), counted AS MATERIALIZED (
      SELECT symbol, ${lower} AS lower, ${upper} AS upper, ${rows}::float8 AS rows,
             near.before + ${sumBefore(sql`${rows}::float8`, sql`symbol`)} AS before
        FROM near JOIN symbols ON symbol BETWEEN lowest AND highest AND ${where}
    )`
}

const SYMBOLS = sql`symbols`
const SYMBOL_DAYS = sql`symbol_days`

/** The table with one row for each symbol, and expressions of that row: how many bars match, and between which days. */
function matchOf(shape: Shape): { rows: SQL; lower: SQL; upper: SQL; table: SQL; where: SQL } {
  const { lower, upper, hasRange, latest, asOf } = shape
  const known = { table: SYMBOLS, where: sql`row_count > 0` }
  if (latest)
    return { ...known, rows: sql`(row_count > 0)::int`, lower: sql`last_date`, upper: sql`last_date` }
  if (asOf === undefined && hasRange)
    return {
      rows: sql`days_between(first_day, days, ${lower}, ${upper})`,
      lower,
      upper,
      table: SYMBOL_DAYS,
      where: sql`true`,
    }
  if (asOf === undefined) return { ...known, rows: sql`row_count`, lower, upper }
  // Only the row itself says when it was stored.
  const rows = sql`(SELECT count(*) FROM financial_data AS stored
    WHERE stored.symbol = symbols.symbol AND stored.date BETWEEN ${lower} AND ${upper} AND stored.created_at <= ${asOf})`
  return { rows, lower, upper, table: SYMBOLS, where: sql`first_date <= ${upper} AND last_date >= ${lower}` }
}
