import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { BACKENDS } from '../../environment/backends.js'
import { symbols } from '../../environment/symbols.js'
import { outlastStorage, UNSTORABLE_ENVIRONMENT } from '../../steps/outlast-storage.js'
import type { Scenario } from '../scenario.js'

export const readOnly: Scenario = {
  number: 45,
  title:
    'PostgreSQL takes no writes, by a setting and then as a standby: nothing is asked for, all is stored when it does',
  backends: BACKENDS,
  environment: { ...UNSTORABLE_ENVIRONMENT, ownPostgres: true, allows503: true },
  async run(environment) {
    const { sql, crashPostgres, restartPostgres, until } = environment
    await outlastStorage(environment, symbols(20, 'SETTING'), {
      // The workers cannot write a mark either.
      mark: null,
      async begin() {
        await sql`ALTER SYSTEM SET default_transaction_read_only = on`
        await sql`SELECT pg_reload_conf()`
      },
      async end() {
        await sql`ALTER SYSTEM RESET default_transaction_read_only`
        await sql`SELECT pg_reload_conf()`
      },
    })
    const [server] = await sql<{ folder: string }[]>`SELECT current_setting('data_directory') AS folder`
    const isStandby = async () => (await sql<{ is: boolean }[]>`SELECT pg_is_in_recovery() AS is`)[0]?.is
    return outlastStorage(environment, symbols(20, 'STANDBY'), {
      mark: null,
      async begin() {
        await crashPostgres()
        await writeFile(join(server?.folder ?? '', 'standby.signal'), '')
        await restartPostgres()
        await until('a standby', isStandby)
      },
      async end() {
        await sql`SELECT pg_promote()`
        await until('a primary', async () => !(await isStandby()))
      },
    })
  },
}
