import { join } from 'node:path'
import { mountSmallDisk } from '../../disturbances/small-disk.js'
import { BACKENDS } from '../../environment/backends.js'
import { symbols } from '../../environment/symbols.js'
import { outlastStorage, UNSTORABLE_ENVIRONMENT } from '../../steps/outlast-storage.js'
import type { Scenario } from '../scenario.js'

const MEBIBYTES = 24

export const diskFull: Scenario = {
  number: 38,
  title:
    "the disk of PostgreSQL's prices is full: what was fetched is kept, nothing more is asked for, all is stored when it is free",
  backends: BACKENDS,
  environment: { ...UNSTORABLE_ENVIRONMENT, ownPostgres: true, allows503: true },
  async run(environment) {
    const { servers, sql } = environment
    const [server] = await sql<{ folder: string }[]>`SELECT current_setting('data_directory') AS folder`
    const disk = await mountSmallDisk(join(servers.folder, 'prices_disk'), MEBIBYTES, server?.folder ?? '')
    if (typeof disk === 'string') return { skipped: disk }
    const movePrices = async (tablespace: string) => {
      await sql.unsafe(`ALTER TABLE financial_data SET TABLESPACE ${tablespace}`)
      await sql.unsafe(`ALTER INDEX financial_data_pkey SET TABLESPACE ${tablespace}`)
    }
    try {
      await sql.unsafe(`CREATE TABLESPACE small LOCATION '${disk.folder}'`)
      await movePrices('small')
      const survival = await outlastStorage(environment, symbols(20), {
        request: { outputsize: 'full' },
        mark: 'disk_full',
        begin: () => disk.fill(),
        end: () => disk.free(),
      })
      await movePrices('pg_default')
      await sql.unsafe('DROP TABLESPACE small')
      return survival
    } finally {
      await disk.remove()
    }
  },
}
