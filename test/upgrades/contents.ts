import type postgres from 'postgres'

/** By table: each row as text, in the columns that were asked for. */
export type Contents = Map<string, { columns: string[]; rows: string[] }>

/** Derived tables of any state: the upgrade compares them with a recount instead. */
const DERIVED = ['symbols', 'symbol_days', 'symbol_prefixes', 'symbol_initials', 'run_totals']
const COUNTED_COLUMNS = ['row_count', 'first_date', 'last_date', 'version']

/** Reads all tables but the derived ones. @param isWanted whether to read a column of a table */
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

/** Compares the tables with their contents before an upgrade. @returns a sentence for each loss or change */
export async function differences(sql: postgres.Sql, before: Contents): Promise<string[]> {
  const after = await readContents(
    sql,
    (table, column) => before.get(table)?.columns.includes(column) === true,
  )
  const found: string[] = []
  for (const [name, { columns, rows }] of before) {
    // Early states kept a rejected row once a fetch, today's once with links to its items: their numbers are compared.
    if (name === 'rejected_rows' && columns.includes('item_id')) {
      const [kept] = await sql<{ times: number; links: number }[]>`
        SELECT (SELECT sum(times) FROM rejected_rows)::int AS times, (SELECT count(*) FROM item_rejected_rows)::int AS links`
      if (kept?.times !== rows.length || kept.links !== rows.length)
        found.push(`${rows.length} rejected rows became ${kept?.times} times and ${kept?.links} links`)
      continue
    }
    const same = after.get(name)
    // After the upgrade `symbols` may also have symbols whose rows were not counted before.
    const left = new Set(same?.rows)
    const gone = rows.filter((row) => !left.has(row))
    if (gone.length > 0 || (name !== 'symbols' && same?.rows.length !== rows.length))
      found.push(
        `${name}: ${rows.length} rows became ${same?.rows.length ?? 0}, ${gone.length} changed or gone, such as ${gone[0]}`,
      )
  }
  return found
}
