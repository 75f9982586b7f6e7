import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startRedis } from '@stockpile/test-harness/redis-server'
import type { RedisProgram, RedisServer } from '@stockpile/test-harness/redis-server'
import { Redis } from 'ioredis'
import type { Watchdog } from '../../servers/watchdog.js'

/** The Redis server of one environment, which scenarios may kill, freeze, empty and fill. */
export interface RedisControl {
  url: string
  /** Where Redis keeps its files. */
  folder: string
  kill: () => Promise<void>
  /** Starts Redis again after a kill, on its old port and folder. */
  start: () => Promise<void>
  freeze: () => void
  thaw: () => void
  /** Runs commands; waits while Redis is away, 30 s at most. */
  ask: <T>(work: (redis: Redis) => Promise<T>) => Promise<T>
  /** Returns the text of all files of Redis: a snapshot made now and, where Redis keeps one, the append-only file. */
  dump: () => Promise<string>
  close: () => Promise<void>
}

const ASK_DEADLINE_MS = 30_000

export async function startRedisControl(
  program: RedisProgram,
  folder: string,
  watchdog: Watchdog,
  settings: Record<string, string> = {},
): Promise<RedisControl> {
  // Without compression the dump can be searched as text.
  const all = { ...settings, rdbcompression: 'no' }
  let server: RedisServer | undefined = await startRedis(program, folder, all)
  const { url } = server
  watchdog.guard(server.pid, folder)
  const signal = (name: NodeJS.Signals) => {
    if (server !== undefined) process.kill(server.pid, name)
  }
  const kill = async () => {
    await server?.stop()
    server = undefined
  }
  async function ask<T>(work: (redis: Redis) => Promise<T>): Promise<T> {
    const redis = new Redis(url, { commandTimeout: ASK_DEADLINE_MS, maxRetriesPerRequest: null })
    redis.on('error', () => {})
    try {
      return await work(redis)
    } finally {
      redis.disconnect()
    }
  }
  return {
    url,
    folder,
    kill,
    async start() {
      server = await startRedis(program, folder, { ...all, port: new URL(url).port })
      watchdog.guard(server.pid, folder)
    },
    freeze: () => signal('SIGSTOP'),
    thaw: () => signal('SIGCONT'),
    ask,
    async dump() {
      await ask((redis) => redis.save())
      const files = await readdir(folder, { recursive: true, withFileTypes: true })
      const texts = files
        .filter((file) => file.isFile())
        .map((file) => readFile(join(file.parentPath, file.name), 'latin1'))
      return (await Promise.all(texts)).join('\n')
    },
    close: kill,
  }
}
