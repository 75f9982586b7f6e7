import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { pgOptions } from '@stockpile/db/driver-options'
import { migrate } from '@stockpile/db/migrate'
import { startEmbeddedPostgres } from '@stockpile/embedded-postgres'
import { migrateQueue } from '@stockpile/queue/backend'
import postgres from 'postgres'
import { load } from './load.js'
import type { Size } from './load.js'

/** The folder of the tables, kept between runs and ignored by git. */
export const STANDARD_DIRECTORY = fileURLToPath(new URL('../../.stockpile/bench', import.meta.url))
const MIGRATIONS = fileURLToPath(new URL('../../packages/db/migrations', import.meta.url))
/** Usual on a server of 16 GB: the primary key of 25 million rows fits into the buffers. Other settings are PostgreSQL's defaults. */
export const SETTINGS = { shared_buffers: '4GB', effective_cache_size: '12GB', max_wal_size: '8GB' }

export interface LargeTables {
  /** The URL of a migrated database of that size, which is loaded at its first use. */
  open(size: Size): Promise<string>
  stop(): Promise<void>
}

/** Starts a server whose tables take minutes to load, and are kept in `directory` for that; `fresh` loads them anew. */
export async function openLargeTables(options: {
  directory: string
  fresh: boolean
  log: (line: string) => void
}): Promise<LargeTables> {
  const { fresh, log } = options
  const directory = resolve(options.directory)
  const server = await startEmbeddedPostgres({ directory, settings: SETTINGS, log })
  const admin = postgres(server.url, { max: 1, onnotice: () => {} })
  return {
    async open(size) {
      const name = `bench_${size.symbols}_symbols_${size.days}_days`
      const databaseUrl = Object.assign(new URL(server.url), { pathname: `/${name}` }).href
      const [kept] = await admin<{ state: string | null }[]>`
        SELECT shobj_description(oid, 'pg_database') AS state FROM pg_database WHERE datname = ${name}`
      if (fresh || kept?.state !== 'loaded') {
        log(`loads ${size.symbols} symbols × ${size.days} days into ${directory}`)
        await admin`DROP DATABASE IF EXISTS ${admin(name)} WITH (FORCE)`
        await admin`CREATE DATABASE ${admin(name)}`
        await prepare(databaseUrl)
        await load(databaseUrl, size, log)
        await admin`COMMENT ON DATABASE ${admin(name)} IS 'loaded'`
        await admin`CHECKPOINT`
      } else await prepare(databaseUrl)
      log(await describe(databaseUrl))
      return databaseUrl
    },
    async stop() {
      await admin.end()
      // A server that another benchmark started is not stopped here.
      if (!server.wasAdopted) await server.stop()
    },
  }
}

/** Migrates a kept database. @throws when a migration was changed after it had been applied */
async function prepare(databaseUrl: string): Promise<void> {
  await migrate(databaseUrl)
  await migrateQueue(pgOptions(databaseUrl))
  const sql = postgres(databaseUrl, { max: 1 })
  try {
    const applied = await sql<{ hash: string }[]>`SELECT hash FROM drizzle.__drizzle_migrations`
    const known = new Set(applied.map(({ hash }) => hash))
    for (const file of (await readdir(MIGRATIONS)).filter((name) => name.endsWith('.sql'))) {
      const text = await readFile(`${MIGRATIONS}/${file}`)
      if (!known.has(createHash('sha256').update(text).digest('hex')))
        throw new Error(`${file} was changed since the tables were loaded: load them again with --fresh`)
    }
  } finally {
    await sql.end()
  }
}

async function describe(databaseUrl: string): Promise<string> {
  const sql = postgres(databaseUrl, { max: 1 })
  const [sizes] = await sql<{ rows: string; heap: string; index: string }[]>`
    SELECT (SELECT sum(row_count) FROM symbols) AS rows, pg_size_pretty(pg_table_size('financial_data')) AS heap,
           pg_size_pretty(pg_relation_size('financial_data_pkey')) AS index`
  await sql.end()
  return `${sizes?.rows} rows: table ${sizes?.heap}, primary key ${sizes?.index}`
}
