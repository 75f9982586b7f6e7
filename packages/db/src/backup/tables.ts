import type postgres from 'postgres'
import { SentenceError } from '../database/error-sentence.js'
import type { BackupEnd } from './backup-file.js'

/** The database cannot be backed up or restored into; the message says what to do. */
export class BackupError extends SentenceError {
  override readonly name = 'BackupError'
}

interface Table {
  name: string
  columns: string[]
}

/** Lists all tables, each behind the tables that its foreign keys refer to; from the catalog, so that none is forgotten. */
export async function tablesOf(sql: postgres.TransactionSql): Promise<Table[]> {
  const rows = await sql<{ name: string; columns: string[]; refersTo: string[] }[]>`
    SELECT relname AS name,
           (SELECT json_agg(attname ORDER BY attnum) FROM pg_attribute
             WHERE attrelid = relation.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = '') AS columns,
           (SELECT coalesce(json_agg(DISTINCT referred.relname), '[]')
              FROM pg_constraint JOIN pg_class AS referred ON referred.oid = confrelid
             WHERE conrelid = relation.oid AND contype = 'f' AND confrelid <> conrelid) AS "refersTo"
      FROM pg_class AS relation WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY relname`
  const ordered: (typeof rows)[number][] = []
  while (ordered.length < rows.length) {
    const placed = new Set(ordered.map(({ name }) => name))
    const next = rows.filter(
      ({ name, refersTo }) => !placed.has(name) && refersTo.every((other) => placed.has(other)),
    )
    if (next.length === 0)
      throw new BackupError('Tables refer to each other in a circle: this is a defect of Stockpile.')
    ordered.push(...next)
  }
  return ordered
}

export async function sequencesOf(sql: postgres.TransactionSql): Promise<BackupEnd['sequences']> {
  const names = await sql<{ name: string }[]>`
    SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'S' ORDER BY relname`
  const sequences: BackupEnd['sequences'] = []
  for (const { name } of names) {
    const [state] = await sql<{ lastValue: string; isCalled: boolean }[]>`
      SELECT last_value::text AS "lastValue", is_called AS "isCalled" FROM ${sql(name)}`
    if (state !== undefined) sequences.push({ name, ...state })
  }
  return sequences
}
