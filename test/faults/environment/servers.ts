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

/** The servers that all environments of one command share. */
export interface Servers {
  folder: string
  watchdog: Watchdog
  postgres: PostgresServer
  redisProgram: RedisProgram
  /** A simulator without rules: what it serves of a symbol is what must be stored. */
  reference: Simulator
  /** The clock of all simulators, which stands still so that no session closes between two answers that are compared. */
  now: () => Date
  close(): Promise<void>
}

/** @throws Error where no redis-server can be had */
export async function startServers(): Promise<Servers> {
  const redisProgram = await findRedis()
  const folder = await mkdtemp(join(tmpdir(), 'stockpile-faults-'))
  // PostgreSQL runs as another user when this process is root.
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
