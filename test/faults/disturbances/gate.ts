import { waitFor } from '@stockpile/test-harness/process'
import type postgres from 'postgres'

/** Holds programs at a chosen moment: inside their transaction, right after they wrote a certain row. */
export interface Gate {
  /** Resolves when a program is held. */
  reached: () => Promise<void>
  /** Lets every program through, now and later. */
  open: () => Promise<void>
}

const REACHED_DEADLINE_MS = 60_000
let gates = 0

/** @param on.when a condition in SQL on NEW (and OLD): rows for which it holds stop their writer */
export async function closeGate(
  sql: postgres.Sql,
  { table, event, when }: { table: string; event: 'INSERT' | 'UPDATE'; when: string },
): Promise<Gate> {
  gates += 1
  const key = 4_711_000 + gates
  const name = `gate_${gates}`
  const keeper = await sql.reserve()
  await keeper`SELECT pg_advisory_lock(${key}::bigint)`
  await sql.unsafe(`
    CREATE FUNCTION public.${name}() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN PERFORM pg_advisory_xact_lock_shared(${key}); RETURN NULL; END $$;
    CREATE TRIGGER ${name} AFTER ${event} ON ${table} FOR EACH ROW WHEN (${when}) EXECUTE FUNCTION public.${name}()`)
  return {
    async reached() {
      const stands = async () => {
        const waiting = await sql`
          SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = ${key}
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`
        return waiting.length > 0
      }
      await waitFor(stands, { deadlineMs: REACHED_DEADLINE_MS, what: `a program at the gate of ${table}` })
    },
    async open() {
      await keeper`SELECT pg_advisory_unlock(${key}::bigint)`
      keeper.release()
    },
  }
}
