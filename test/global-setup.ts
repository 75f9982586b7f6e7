import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { obtainRedis } from './servers/redis.js'
import { startSharedPostgres, TEMPLATE } from './servers/shared-postgres.js'
import { startWatchdog } from './servers/watchdog.js'

/**
 * Runs once before all tests, by vitest.config.ts: starts one PostgreSQL with a migrated template database, and one Redis.
 * `@stockpile/test-harness` hands them to the tests.
 * @returns what stops both and removes their data, after all tests
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'stockpile-test-'))
  // PostgreSQL runs as another user when this process is root.
  await chmod(folder, 0o755)
  const watchdog = startWatchdog(folder)
  const stops: (() => Promise<void>)[] = []
  const teardown = async () => {
    await Promise.all(stops.map((stop) => stop()))
    await rm(folder, { recursive: true, force: true })
    watchdog.release()
  }
  const started = await Promise.allSettled([
    startSharedPostgres(folder, watchdog),
    obtainRedis(folder, watchdog),
  ])
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
