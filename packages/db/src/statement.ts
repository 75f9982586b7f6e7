import { Placeholder } from 'drizzle-orm'
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

/** Runs it as a statement that each connection keeps prepared. */
export async function run<Row extends object>(
  db: Pool,
  { text, names }: Statement,
  values: Readonly<Record<string, string | number | undefined>>,
): Promise<Row[]> {
  const parameters = names.map((name) => values[name] ?? null)
  return [...(await db.$client.unsafe<Row[]>(text, parameters, { prepare: true }))]
}
