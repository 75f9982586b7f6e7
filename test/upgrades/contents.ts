import type postgres from 'postgres'

/** Each row of each table as text, in the columns that were asked for. */
export type Contents = Map<string, { columns: string[]; rows: string[] }>

/** Counted from the rows, and compared with a recount instead. */
const DERIVED = ['symbols', 'symbol_days', 'symbol_prefixes', 'symbol_initials', 'run_totals']
const COUNTED_COLUMNS = ['row_count', 'first_date', 'last_date', 'version']

/** @param isWanted of a table's columns, those to read */
export async function readContents(
  sql: postgres.Sql,
  isWanted: (table: string, column: string) => boolean,
): Promise<Contents> {
  const tables = await sql<{ name: string; columns: string[] }[]>`
    SELECT table_name AS name, array_agg(column_name::text ORDER BY column_name) AS columns
      FROM information_schema.columns WHERE table_schema = 'public' GROUP BY 1`
  const contents: Contents = new Map()
  for (const { name, columns: all } of tables) {
    if (DERIVED.includes(name) && name !== 'symbols') continue
    const columns = all.filter(
      (column) => isWanted(name, column) && (name !== 'symbols' || !COUNTED_COLUMNS.includes(column)),
    )
    const rows = await sql<{ row: string }[]>`
      SELECT jsonb_build_array(${columns.length === 0 ? sql`` : sql.unsafe(columns.map((column) => `"${column}"`).join(', '))})::text AS row
        FROM ${sql(name)} ORDER BY 1`
    contents.set(name, { columns, rows: rows.map(({ row }) => row) })
  }
  return contents
}

/** Sentences for what an upgrade lost or changed. */
export async function differences(sql: postgres.Sql, before: Contents): Promise<string[]> {
  const after = await readContents(
    sql,
    (table, column) => before.get(table)?.columns.includes(column) === true,
  )
  const found: string[] = []
  for (const [name, { columns, rows }] of before) {
    // Once a fetch before, then once with the items that brought it: counted instead.
    if (name === 'rejected_rows' && columns.includes('item_id')) {
      const [kept] = await sql<{ times: number; links: number }[]>`
        SELECT (SELECT sum(times) FROM rejected_rows)::int AS times, (SELECT count(*) FROM item_rejected_rows)::int AS links`
      if (kept?.times !== rows.length || kept.links !== rows.length)
        found.push(`${rows.length} rejected rows became ${kept?.times} times and ${kept?.links} links`)
      continue
    }
    const same = after.get(name)
    // A symbol whose rows were never counted is known afterwards.
    const left = new Set(same?.rows)
    const gone = rows.filter((row) => !left.has(row))
    if (gone.length > 0 || (name !== 'symbols' && same?.rows.length !== rows.length))
      found.push(
        `${name}: ${rows.length} rows became ${same?.rows.length ?? 0}, ${gone.length} changed or gone, such as ${gone[0]}`,
      )
  }
  return found
}
