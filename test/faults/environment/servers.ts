import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startSimulator } from '@stockpile/alphavantage/simulator'
import type { Simulator } from '@stockpile/alphavantage/simulator'
import type { RedisProgram } from '@stockpile/test-harness/redis-server'
import { findRedis } from '../../servers/redis.js'
import { startWatchdog } from '../../servers/watchdog.js'
import type { Watchdog } from '../../servers/watchdog.js'
import { startPostgres } from './postgres-server.js'
import type { PostgresServer } from './postgres-server.js'

/** What all environments share. */
export interface Servers {
  folder: string
  watchdog: Watchdog
  postgres: PostgresServer
  redisProgram: RedisProgram
  /** Never scripted: what the upstream serves of a symbol, for comparison. */
  reference: Simulator
  /** One instant for all simulators, so that no session closes between two answers that are compared. */
  now: () => Date
  close(): Promise<void>
}

/** @throws where no redis-server is to be had */
export async function startServers(): Promise<Servers> {
  const redisProgram = await findRedis()
  const folder = await mkdtemp(join(tmpdir(), 'stockpile-faults-'))
  // As root, PostgreSQL runs as another user.
  await chmod(folder, 0o755)
  const watchdog = startWatchdog(folder)
  const startedAt = new Date()
  const now = () => startedAt
  const reference = await startSimulator({ now })
  const release = async () => {
    await reference.close()
    await rm(folder, { recursive: true, force: true })
    watchdog.release()
  }
  try {
    const postgres = await startPostgres(join(folder, 'postgres'), watchdog)
    const close = async () => {
      await postgres.stop()
      await release()
    }
    return { folder, watchdog, postgres, redisProgram, reference, now, close }
  } catch (error) {
    await release()
    throw error
  }
}
