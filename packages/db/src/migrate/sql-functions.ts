import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { sql } from 'drizzle-orm'
import type { Database, Transaction } from '../database/connection.js'

const folder = fileURLToPath(new URL('../../sql', import.meta.url))

/** The functions and triggers of the schema, from the files of `sql/`. */
export interface SqlFunctions {
  text: string
  /** SHA-256 of the text: a database with these functions notes it. */
  hash: string
  /** Of the functions. */
  names: string[]
}

export function readSqlFunctions(): SqlFunctions {
  const files = readdirSync(folder).filter((name) => name.endsWith('.sql'))
  const text = files
    .toSorted()
    // Git may have checked the files out with CRLF.
    .map((name) => readFileSync(`${folder}/${name}`, 'utf8').replaceAll('\r\n', '\n'))
    .join('\n')
  const names = [...text.matchAll(/^CREATE FUNCTION (\w+)/gm)].map(([, name = '']) => name)
  return { text, hash: createHash('sha256').update(text).digest('hex'), names }
}

/** Reads the hash of the functions that the database has; null when it notes none. */
export async function appliedFunctions(db: Database): Promise<string | null> {
  const [table] = await db.execute<{ known: boolean }>(
    sql`SELECT to_regclass('drizzle.sql_functions') IS NOT NULL AS known`,
  )
  if (table?.known !== true) return null
  const [row] = await db.execute<{ hash: string }>(sql`SELECT hash FROM drizzle.sql_functions`)
  return row?.hash ?? null
}

/**
 * Replaces all functions and triggers by this code's when they differ: as a whole, so that no function stays behind that has
 * another signature today, or is gone.
 * @param options.always replaces them although the database notes this code's hash, since somebody changed them there
 * @returns whether they were replaced
 */
export async function replaceSqlFunctions(tx: Transaction, { always = false } = {}): Promise<boolean> {
  const { text, hash, names } = readSqlFunctions()
  if (!always && (await appliedFunctions(tx)) === hash) return false
  await tx.execute(
    sql`CREATE TABLE IF NOT EXISTS drizzle.sql_functions (hash text NOT NULL, names text[] NOT NULL)`,
  )
  // PostgreSQL drops no trigger whose deferred work is not done.
  await tx.execute(sql`SET CONSTRAINTS ALL IMMEDIATE`)
  await tx.execute(sql`
    DO $$
    DECLARE
      known text[] := ${sql.raw(`'{${names.join(',')}}'`)} || coalesce((SELECT names FROM drizzle.sql_functions), '{}');
      functions oid[] := ARRAY(
        SELECT oid FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND proname = ANY (known));
      command text;
    BEGIN
      FOR command IN
        SELECT format('DROP TRIGGER %I ON %s', tgname, tgrelid::regclass)
          FROM pg_trigger WHERE tgfoid = ANY (functions) AND NOT tgisinternal
      LOOP
        EXECUTE command;
      END LOOP;
      -- One statement drops all, since some use others. CASCADE would also drop objects that somebody else made.
      SELECT 'DROP FUNCTION ' || string_agg(one::regprocedure::text, ', ') INTO command FROM unnest(functions) AS one;
      IF command IS NOT NULL THEN
        EXECUTE command;
      END IF;
    END $$`)
  await tx.execute(sql.raw(text))
  await tx.execute(sql`DELETE FROM drizzle.sql_functions`)
  await tx.execute(
    sql`INSERT INTO drizzle.sql_functions (hash, names) VALUES (${hash}, ${sql.raw(`'{${names.join(',')}}'`)})`,
  )
  return true
}
