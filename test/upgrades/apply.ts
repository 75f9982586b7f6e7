import { createHash } from 'node:crypto'
import type postgres from 'postgres'
import type { SchemaState } from './history.js'

/**
 * Applies the migrations as the state's own `migrate` did: those later than the newest that is noted, whatever text is noted
 * of the others; then the state's functions and triggers, if they had files of their own. All in one transaction.
 */
export async function applyAsThen(sql: postgres.Sql, state: SchemaState): Promise<void> {
  await sql.begin(async (tx) => {
    await tx`CREATE SCHEMA IF NOT EXISTS drizzle`
    await tx`CREATE TABLE IF NOT EXISTS drizzle.__drizzle_migrations (id SERIAL PRIMARY KEY, hash text NOT NULL, created_at bigint)`
    const [newest] = await tx<{ when: number }[]>`
      SELECT coalesce(max(created_at), 0)::float8 AS when FROM drizzle.__drizzle_migrations`
    for (const { when, text, hash } of state.migrations) {
      if (when <= (newest?.when ?? 0)) continue
      for (const statement of text.split('--> statement-breakpoint')) await tx.unsafe(statement)
      await tx`INSERT INTO drizzle.__drizzle_migrations (hash, created_at) VALUES (${hash}, ${when})`
    }
    if (state.functions !== null) await replaceFunctions(tx, state.functions)
  })
}

async function replaceFunctions(tx: postgres.TransactionSql, text: string): Promise<void> {
  const names = [...text.matchAll(/^CREATE FUNCTION (\w+)/gm)].map(([, name = '']) => name)
  await tx`CREATE TABLE IF NOT EXISTS drizzle.sql_functions (hash text NOT NULL, names text[] NOT NULL)`
  await tx`SET CONSTRAINTS ALL IMMEDIATE`
  const made = await tx<{ name: string }[]>`
    SELECT oid::regprocedure::text AS name FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND proname = ANY (${names})`
  for (const { name } of made) await tx.unsafe(`DROP FUNCTION ${name} CASCADE`)
  await tx.unsafe(text)
  await tx`DELETE FROM drizzle.sql_functions`
  await tx`INSERT INTO drizzle.sql_functions (hash, names) VALUES (${createHash('sha256').update(text).digest('hex')}, ${names})`
}
