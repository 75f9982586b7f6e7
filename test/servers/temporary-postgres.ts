import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startEmbeddedPostgres } from '@stockpile/embedded-postgres'
import postgres from 'postgres'
import { prepareDatabase } from './prepare-database.js'

export interface TemporaryPostgres {
  /** Makes a database anew, migrated or with `empty` without any table, and returns its URL. */
  createDatabase(name: string, options?: { empty?: boolean }): Promise<string>
  /** Ends the server under its clients, as a crash does, and starts it again on the same port. */
  crash(): Promise<void>
  stop(): Promise<void>
}

/** Starts a PostgreSQL server for a command of this repository, with production's durability; `stop` removes its data too. */
export async function startTemporaryPostgres(
  settings: Record<string, string> = {},
): Promise<TemporaryPostgres> {
  const folder = await mkdtemp(join(tmpdir(), 'stockpile-temporary-'))
  await chmod(folder, 0o755)
  const directory = join(folder, 'postgres')
  let server = await startEmbeddedPostgres({ directory, settings })
  const admin = postgres(server.url, { max: 1, onnotice: () => {} })
  await admin`CREATE DATABASE stockpile_template`
  const urlOf = (name: string) => Object.assign(new URL(server.url), { pathname: `/${name}` }).href
  await prepareDatabase(urlOf('stockpile_template'))
  return {
    async createDatabase(name, { empty = false } = {}) {
      await admin`DROP DATABASE IF EXISTS ${admin(name)} WITH (FORCE)`
      await admin`CREATE DATABASE ${admin(name)} TEMPLATE ${admin(empty ? 'template1' : 'stockpile_template')}`
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
