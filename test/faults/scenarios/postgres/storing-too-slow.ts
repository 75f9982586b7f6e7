import { equal, ok } from 'node:assert/strict'
import { BACKENDS } from '../../environment/backends.js'
import { symbols } from '../../environment/symbols.js'
import { outlastStorage, UNSTORABLE_ENVIRONMENT } from '../../steps/outlast-storage.js'
import type { Scenario } from '../scenario.js'

/** As many unsound records make an answer of 1.8 MB, and each goes to quarantine. */
const UNSOUND = 99_000
const MOST_ATTEMPTS = 3

export const storingTooSlow: Scenario = {
  number: 46,
  title:
    'storing takes longer than a statement may: of everything nothing more is asked for; of one body it is bounded',
  backends: BACKENDS,
  environment: { ...UNSTORABLE_ENVIRONMENT, allows503: true },
  async run(environment) {
    const { http, sql, simulator, drained } = environment
    const records = Array.from({ length: UNSOUND }, (_, index) => `"${index}":{"4. close":"NaN"}`)
    simulator.rule({
      symbol: 'UNSOUND',
      answer: {
        kind: 'raw',
        body: `{"Meta Data":{"2. Symbol":"UNSOUND"},"Time Series (Daily)":{${records.join()}}}`,
      },
    })
    await http.ingest(['UNSOUND', ...symbols(5, 'BESIDE')])
    await drained(180_000)
    const asked = simulator.arrivals().filter(({ symbol }) => symbol === 'UNSOUND').length
    ok(asked <= MOST_ATTEMPTS, `UNSOUND was asked for ${asked} times`)
    const failures = await sql`SELECT FROM ingest_failures WHERE symbol = 'UNSOUND' AND final`
    equal(failures.length, 1, 'final failures of UNSOUND')

    await sql.unsafe(
      `CREATE FUNCTION public.crawl() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(25); RETURN NULL; END $$`,
    )
    return outlastStorage(environment, symbols(20), {
      mark: 'too_slow',
      begin: () =>
        sql.unsafe(
          'CREATE TRIGGER crawl AFTER INSERT ON financial_data FOR EACH STATEMENT EXECUTE FUNCTION public.crawl()',
        ),
      end: () => sql.unsafe('DROP TRIGGER crawl ON financial_data'),
    })
  },
}
