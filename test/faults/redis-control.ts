import { startRedis } from '@stockpile/test-harness/redis-server'
import type { RedisProgram, RedisServer } from '@stockpile/test-harness/redis-server'
import { Redis } from 'ioredis'
import type { Watchdog } from '../servers/watchdog.js'

/** A Redis of one world's own, to be killed, frozen, emptied and filled. */
export interface RedisControl {
  url: string
  kill: () => Promise<void>
  /** After a kill, on the same port and folder. */
  start: () => Promise<void>
  freeze: () => void
  thaw: () => void
  ask: <T>(work: (redis: Redis) => Promise<T>) => Promise<T>
  close: () => Promise<void>
}

export async function startRedisControl(
  program: RedisProgram,
  folder: string,
  watchdog: Watchdog,
  settings: Record<string, string> = {},
): Promise<RedisControl> {
  let server: RedisServer | undefined = await startRedis(program, folder, settings)
  const { url } = server
  watchdog.guard(server.pid, folder)
  const signal = (name: NodeJS.Signals) => {
    if (server !== undefined) process.kill(server.pid, name)
  }
  const kill = async () => {
    await server?.stop()
    server = undefined
  }
  return {
    url,
    kill,
    async start() {
      server = await startRedis(program, folder, { ...settings, port: new URL(url).port })
      watchdog.guard(server.pid, folder)
    },
    freeze: () => signal('SIGSTOP'),
    thaw: () => signal('SIGCONT'),
    async ask(work) {
      const redis = new Redis(url, { commandTimeout: 10_000, maxRetriesPerRequest: 3 })
      redis.on('error', () => {})
      try {
        return await work(redis)
      } finally {
        redis.disconnect()
      }
    },
    close: kill,
  }
}
