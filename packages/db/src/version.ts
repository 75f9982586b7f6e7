import { sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'
import { prepared } from './connection.js'
import type { Pool } from './connection.js'

/**
 * The version of the rows of some symbols, or of all, as digits: it changes with every change of them. An expression for the
 * statement that reads the rows, so that both are of one snapshot; read earlier it is older, which is harmless, and read
 * later it could hide a change.
 * @param isWanted a condition on symbols.symbol; undefined: all
 */
export function versionWhere(isWanted: SQL | undefined): SQL {
  return isWanted === undefined
    ? sql`(SELECT coalesce(sum(version), 0)::text FROM symbol_initials)`
    : sql`(SELECT coalesce(sum(version), 0)::text FROM symbols WHERE ${isWanted})`
}

export function versionOf(symbols: readonly string[] | undefined): SQL {
  return versionWhere(symbols && isOneOf(symbols))
}

/** The version by itself: one tiny statement. */
export async function readVersion(db: Pool, symbols: readonly string[] | undefined): Promise<string> {
  const [row] = await prepared<{ version: string }>(db, sql`SELECT ${versionOf(symbols)} AS version`)
  return row?.version ?? '0'
}

/** The same for symbols that all have rows, whatever the dates; undefined when one has none. */
export async function readKnownVersion(db: Pool, symbols: readonly string[]): Promise<string | undefined> {
  const [row] = await prepared<{ version: string }>(
    db,
    sql`SELECT sum(version)::text AS version FROM symbols WHERE ${isOneOf(symbols)} AND row_count > 0
        HAVING count(*) = ${symbols.length}`,
  )
  return row?.version
}

function isOneOf(symbols: readonly string[]): SQL {
  return sql`symbol = ANY (ARRAY(SELECT jsonb_array_elements_text(${JSON.stringify(symbols)}::text::jsonb)))`
}
