import { closeGate } from '../../disturbances/gate.js'
import { BACKENDS } from '../../environment/backends.js'
import type { Scenario } from '../scenario.js'

export const transactionBroken: Scenario = {
  number: 15,
  title: 'backend terminated, deadlock, serialization failure: the transaction is tried again',
  backends: BACKENDS,
  quick: true,
  async run({ http, sql, simulator, random, until, drained }) {
    const [deadlocked, unserializable, terminated, ...others] = random.shuffled([
      'AA',
      'BB',
      'CC',
      'DD',
      'EE',
    ])
    await sql.unsafe(`
      CREATE SEQUENCE public.broken;
      GRANT ALL ON SEQUENCE public.broken TO PUBLIC;
      CREATE FUNCTION public.break_transaction() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
        -- A rollback does not take a sequence back, so four transactions break in all.
        IF nextval('public.broken') <= 4 THEN RAISE EXCEPTION 'injected' USING ERRCODE = TG_ARGV[0]; END IF;
        RETURN NULL; END $$;
      CREATE TRIGGER deadlock AFTER UPDATE ON symbols FOR EACH ROW WHEN (NEW.symbol = '${deadlocked}')
        EXECUTE FUNCTION public.break_transaction('40P01');
      CREATE TRIGGER serialization AFTER UPDATE ON symbols FOR EACH ROW WHEN (NEW.symbol = '${unserializable}')
        EXECUTE FUNCTION public.break_transaction('40001')`)
    const gate = await closeGate(sql, {
      table: 'financial_data',
      event: 'INSERT',
      when: `NEW.symbol = '${terminated}'`,
    })
    await http.ingest([deadlocked, unserializable, terminated, ...others].map(String))
    await gate.reached()
    const cut = await sql`
      SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND application_name = 'stockpile-worker' AND wait_event = 'advisory'`
    const brokenAt = performance.now()
    if (cut.length !== 1) throw new Error(`${cut.length} backends were terminated`)
    await gate.open()
    await drained()
    const recoveryMs = Math.round(performance.now() - brokenAt)
    const [broken] = await sql<{ times: number }[]>`SELECT last_value::int AS times FROM public.broken`
    if ((broken?.times ?? 0) < 4) throw new Error('Not all transactions were broken')
    const failures = await sql`SELECT FROM ingest_failures`
    if (failures.length > 0) throw new Error(`${failures.length} attempts were charged`)
    await until('nothing asked twice', () => simulator.arrivals().length === 5, 100)
    return { recoveryMs }
  },
}
