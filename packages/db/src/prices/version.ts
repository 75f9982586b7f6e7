import { sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'
import type { Pool } from '../database/connection.js'
import { compile, run } from '../database/statement.js'

/**
 * SQL: the version of the rows of some symbols, or of all, as digits. Every change of a row changes it. It belongs into the
 * statement that reads the rows, so that both are of one snapshot: a version from before the rows only makes an ETag too
 * old, but a version from after them could hide a change.
 * @param isWanted a condition on the symbol; undefined: all symbols
 */
export function versionWhere(isWanted: SQL | undefined): SQL {
  return isWanted === undefined
    ? sql`(SELECT coalesce(sum(version), 0)::text FROM symbol_prefixes)`
    : sql`(SELECT coalesce(sum(version), 0)::text FROM symbols WHERE ${isWanted})`
}

const IS_LISTED = sql`symbol = ANY (ARRAY(SELECT jsonb_array_elements_text(${sql.placeholder('symbols')}::text::jsonb)))`
const OF_ALL = compile(sql`SELECT ${versionWhere(undefined)} AS version`)
const OF_LISTED = compile(sql`SELECT ${versionWhere(IS_LISTED)} AS version`)
const OF_KNOWN = compile(
  sql`SELECT coalesce(sum(version), 0)::text AS version, count(*)::int AS known FROM symbols WHERE ${IS_LISTED} AND row_count > 0`,
)

/** Reads the version without the rows, in one tiny statement. @param symbols undefined: all */
export async function readVersion(db: Pool, symbols: readonly string[] | undefined): Promise<string> {
  const [row] = await run<{ version: string }>(db, symbols === undefined ? OF_ALL : OF_LISTED, {
    symbols: JSON.stringify(symbols),
  })
  return row?.version ?? '0'
}

/** Reads the version of symbols that all have rows, whatever the dates; undefined when a symbol has none. */
export async function readKnownVersion(db: Pool, symbols: readonly string[]): Promise<string | undefined> {
  const [row] = await run<{ version: string; known: number }>(db, OF_KNOWN, {
    symbols: JSON.stringify(symbols),
  })
  return row?.known === symbols.length ? row.version : undefined
}

const UNKNOWN = compile(sql`
  SELECT wanted.symbol FROM jsonb_array_elements_text(${sql.placeholder('symbols')}::text::jsonb) WITH ORDINALITY AS wanted (symbol, position)
   WHERE NOT EXISTS (SELECT FROM symbols AS known WHERE known.symbol = wanted.symbol COLLATE "C" AND row_count > 0)
   ORDER BY wanted.position`)

/** Reads which of the symbols have no rows at all, in the order given. */
export async function readUnknown(db: Pool, symbols: readonly string[]): Promise<string[]> {
  const rows = await run<{ symbol: string }>(db, UNKNOWN, { symbols: JSON.stringify(symbols) })
  return rows.map((row) => row.symbol)
}
