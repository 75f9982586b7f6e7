import { Placeholder, sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'
import { PgDialect } from 'drizzle-orm/pg-core'
import type { Pool } from './connection.js'

/** A statement whose text is made once and whose values have names: to put a long one together costs as much as to run it. */
export interface Statement {
  text: string
  /** Of its values, in the order of their numbers. */
  names: readonly string[]
}

const dialect = new PgDialect()

/** @param statement all of its values are `sql.placeholder(name)`; one that comes twice is sent once */
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

/** What all of these say; of filters that were not given, `false`, nothing: a plan for any value could use no index for them. */
export function allOf(conditions: readonly (SQL | false)[]): SQL {
  return sql.join([sql`true`, ...conditions.filter((condition) => condition !== false)], sql` AND `)
}

type Values = Readonly<Record<string, string | number | undefined>>

/** Runs it as a statement that each connection keeps prepared: for few texts. */
export async function run<Row extends object>(
  db: Pool,
  { text, names }: Statement,
  values: Values,
): Promise<Row[]> {
  return [...(await db.$client.unsafe<Row[]>(text, parametersOf(names, values), { prepare: true }))]
}

/** Runs one of many texts, which is not kept. */
export async function runOnce<Row extends object>(
  db: Pool,
  { text, names }: Statement,
  values: Values,
): Promise<Row[]> {
  return [...(await db.$client.unsafe<Row[]>(text, parametersOf(names, values)))]
}

/** The same for its rows as the bytes that came: nothing is decoded. */
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
