import { Placeholder, sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'
import { PgDialect } from 'drizzle-orm/pg-core'
import type { Pool } from './connection.js'

/** A statement whose text is made once, and whose values have names. To put a long text together costs as much as to run it. */
export interface Statement {
  text: string
  /** The names of the values, in the order of their numbers in the text. */
  names: readonly string[]
}

const dialect = new PgDialect()

/**
 * Makes the text of a statement.
 * @param statement each value is a `sql.placeholder(name)`; a name that comes twice is sent once
 * @throws when a value is no placeholder
 */
export function compile(statement: SQL): Statement {
  const { sql: text, params } = dialect.sqlToQuery(statement)
  const names = params.map((value) => {
    if (value instanceof Placeholder) return String(value.name)
    throw new Error('compile: a value has no name')
  })
  const distinct = [...new Set(names)]
  const renumbered = text.replaceAll(
    /\$(\d+)/g,
    (_, number) => `$${distinct.indexOf(names[Number(number) - 1] ?? '') + 1}`,
  )
  return { text: renumbered, names: distinct }
}

/** SQL: that all of these hold. A filter that was not given, `false`, is left out, since a condition that may be off could use no index. */
export function allOf(conditions: readonly (SQL | false)[]): SQL {
  return sql.join([sql`true`, ...conditions.filter((condition) => condition !== false)], sql` AND `)
}

type Values = Readonly<Record<string, string | number | undefined>>

/** Runs a statement that each connection keeps prepared, for programs with few texts. */
export async function run<Row extends object>(
  db: Pool,
  { text, names }: Statement,
  values: Values,
): Promise<Row[]> {
  return [...(await db.$client.unsafe<Row[]>(text, parametersOf(names, values), { prepare: true }))]
}

/** Runs one of many statements, without keeping it prepared. */
export async function runOnce<Row extends object>(
  db: Pool,
  { text, names }: Statement,
  values: Values,
): Promise<Row[]> {
  return [...(await db.$client.unsafe<Row[]>(text, parametersOf(names, values)))]
}

/** Runs one of many statements, and gives its rows as the bytes that came, undecoded. */
export async function runRaw(
  db: Pool,
  { text, names }: Statement,
  values: Values,
): Promise<(Buffer | null)[][]> {
  return [...(await db.$client.unsafe(text, parametersOf(names, values)).raw())]
}

function parametersOf(names: readonly string[], values: Values) {
  return names.map((name) => values[name] ?? null)
}
