import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { migrate } from '@stockpile/db/migrate'
import { startEmbeddedPostgres } from '@stockpile/embedded-postgres'
import { migrateQueue } from '@stockpile/queue/backend'
import postgres from 'postgres'

export interface BenchServer {
  /** A new migrated database. */
  createDatabase(name: string): Promise<string>
  stop(): Promise<void>
}

/** A PostgreSQL of its own with production's durability, and room enough that no checkpoint falls into a round. */
export async function startBenchServer(): Promise<BenchServer> {
  const folder = await mkdtemp(join(tmpdir(), 'stockpile-bench-'))
  await chmod(folder, 0o755)
  const server = await startEmbeddedPostgres({
    directory: join(folder, 'postgres'),
    settings: { shared_buffers: '512MB', max_wal_size: '8GB', checkpoint_timeout: '30min', autovacuum: 'off' },
  })
  const admin = postgres(server.url, { max: 1, onnotice: () => {} })
  await admin`CREATE DATABASE template_stockpile`
  const urlOf = (name: string) => Object.assign(new URL(server.url), { pathname: `/${name}` }).href
  await migrate(urlOf('template_stockpile'))
  await migrateQueue(urlOf('template_stockpile'))
  return {
    async createDatabase(name) {
      await admin`DROP DATABASE IF EXISTS ${admin(name)} WITH (FORCE)`
      await admin`CREATE DATABASE ${admin(name)} TEMPLATE template_stockpile`
      await admin`CHECKPOINT`
      return urlOf(name)
    },
    async stop() {
      await admin.end()
      await server.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
