import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { startEmbeddedPostgres } from '@stockpile/embedded-postgres'
import postgres from 'postgres'
import { prepareDatabase } from './prepare-database.js'
import type { Watchdog } from './watchdog.js'

/** The database that each test's is a copy of. */
export const TEMPLATE = 'stockpile_template'

/** Trades durability for speed: what the tests write is thrown away. */
const SETTINGS = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  max_connections: '200',
  shared_buffers: '128MB',
}

/**
 * Starts the PostgreSQL server that all tests of a run share, with the migrated template.
 * @param folder gets the server's data
 * @returns the superuser's URL, and what stops the server and removes its data
 */
export async function startSharedPostgres(
  folder: string,
  watchdog: Watchdog,
): Promise<{ url: string; stop: () => Promise<void> }> {
  const server = await startEmbeddedPostgres({
    directory: join(folder, 'postgres'),
    settings: SETTINGS,
    log: (line) => console.log(line),
  })
  watchdog.guard(server.pid, server.folder)
  const stop = async () => {
    await server.stop()
    await rm(server.folder, { recursive: true, force: true })
  }
  try {
    const sql = postgres(server.url, { max: 1 })
    try {
      await sql`create database ${sql(TEMPLATE)}`
    } finally {
      await sql.end()
    }
    await prepareDatabase(Object.assign(new URL(server.url), { pathname: `/${TEMPLATE}` }).href)
    return { url: server.url, stop }
  } catch (error) {
    await stop()
    throw error
  }
}
