import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pgOptions } from '@stockpile/db/driver-options'
import { migrate } from '@stockpile/db/migrate'
import { startEmbeddedPostgres } from '@stockpile/embedded-postgres'
import { prepareRoles } from '@stockpile/db/roles'
import { migrateQueue, QUEUE_SCHEMA } from '@stockpile/queue/backend'
import postgres from 'postgres'

export interface TemporaryServer {
  /** A new migrated database; with `empty` one without any table. */
  createDatabase(name: string, options?: { empty?: boolean }): Promise<string>
  /** Takes the server away under its clients, as a crash would, and brings it back on the same port. */
  crash(): Promise<void>
  stop(): Promise<void>
}

/** As in the tests, whose harness needs their runner; their names are their passwords. */
const ROLES = { api: 'stockpile_api', worker: 'stockpile_worker' }

/** A PostgreSQL for a command of this repository, with production's durability; stopped and removed by `stop`. */
export async function startTemporaryServer(settings: Record<string, string> = {}): Promise<TemporaryServer> {
  const folder = await mkdtemp(join(tmpdir(), 'stockpile-temporary-'))
  await chmod(folder, 0o755)
  const directory = join(folder, 'postgres')
  let server = await startEmbeddedPostgres({ directory, settings })
  const admin = postgres(server.url, { max: 1, onnotice: () => {} })
  await admin`CREATE DATABASE template_stockpile`
  const urlOf = (name: string) => Object.assign(new URL(server.url), { pathname: `/${name}` }).href
  await migrate(urlOf('template_stockpile'))
  await migrateQueue(pgOptions(urlOf('template_stockpile')))
  await prepareRoles(urlOf('template_stockpile'), {
    roles: ROLES,
    passwords: ROLES,
    queueSchema: QUEUE_SCHEMA,
  })
  return {
    async createDatabase(name, { empty = false } = {}) {
      await admin`DROP DATABASE IF EXISTS ${admin(name)} WITH (FORCE)`
      await admin`CREATE DATABASE ${admin(name)} TEMPLATE ${admin(empty ? 'template1' : 'template_stockpile')}`
      await admin`CHECKPOINT`
      return urlOf(name)
    },
    async crash() {
      process.kill(server.pid, 'SIGQUIT')
      await server.stop()
      server = await startEmbeddedPostgres({
        directory,
        settings: { ...settings, port: String(server.port) },
      })
    },
    async stop() {
      await admin.end()
      await server.stop()
      await rm(server.folder, { recursive: true, force: true })
      await rm(folder, { recursive: true, force: true })
    },
  }
}
