import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pgOptions } from '@stockpile/db/driver-options'
import { migrate } from '@stockpile/db/migrate'
import { startEmbeddedPostgres } from '@stockpile/embedded-postgres'
import { prepareRoles } from '@stockpile/db/roles'
import { PROCESS_ROLES } from '@stockpile/test-harness/database'
import { migrateQueue, QUEUE_SCHEMA } from '@stockpile/queue/backend'
import postgres from 'postgres'
import type { TestProject } from 'vitest/node'
import { obtainRedis } from './servers/redis.js'
import { startWatchdog, type Watchdog } from './servers/watchdog.js'

const TEMPLATE = 'stockpile_template'

/** Speed for durability: what these tests write is thrown away. */
const SETTINGS = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  max_connections: '200',
  shared_buffers: '128MB',
}

/** One PostgreSQL with a migrated template database, and one Redis, for the whole run. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'stockpile-test-'))
  // As root, the server runs as another user.
  await chmod(folder, 0o755)
  const watchdog = startWatchdog(folder)
  const stops: (() => Promise<void>)[] = []
  const teardown = async () => {
    await Promise.all(stops.map((stop) => stop()))
    await rm(folder, { recursive: true, force: true })
    watchdog.release()
  }
  const started = await Promise.allSettled([startPostgres(folder, watchdog), obtainRedis(folder, watchdog)])
  const [database, redis] = started
  if (database.status === 'fulfilled') stops.push(database.value.stop)
  if (redis.status === 'fulfilled') stops.push(redis.value.stop)
  const failure = started.find((one) => one.status === 'rejected')
  if (database.status === 'rejected' || redis.status === 'rejected') {
    await teardown()
    throw failure?.reason
  }
  project.provide('postgresUrl', database.value.url)
  project.provide('templateDatabase', TEMPLATE)
  project.provide('redisUrl', redis.value.url)
  project.provide('redisProgram', redis.value.program)
  return teardown
}

async function startPostgres(
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
    const template = new URL(server.url)
    template.pathname = `/${TEMPLATE}`
    await migrate(template.href)
    await migrateQueue(pgOptions(template.href))
    await prepareRoles(template.href, {
      roles: PROCESS_ROLES,
      passwords: PROCESS_ROLES,
      queueSchema: QUEUE_SCHEMA,
    })
    return { url: server.url, stop }
  } catch (error) {
    await stop()
    throw error
  }
}
