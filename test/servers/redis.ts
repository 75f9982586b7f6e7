import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { startRedis } from '@stockpile/test-harness/redis-server'
import type { RedisProgram } from '@stockpile/test-harness/redis-server'
import { unpackRedis } from './debian-redis.js'
import type { Watchdog } from './watchdog.js'

const run = promisify(execFile)

interface Redis {
  /** Null when no Redis can be had. */
  url: string | null
  /** How to start further servers; null when there is only the Redis of REDIS_URL. */
  program: RedisProgram | null
  stop: () => Promise<void>
}

/**
 * Finds or starts a Redis: REDIS_URL, redis-server on the PATH, or Debian's package, unpacked without root.
 * Without any the tests of that backend are skipped, with a warning.
 * @throws Error without any under CI=true
 */
export async function obtainRedis(folder: string, watchdog: Watchdog): Promise<Redis> {
  const given = process.env['REDIS_URL']
  if (given !== undefined && given !== '')
    return { url: given, program: await onPath().catch(() => null), stop: async () => undefined }
  let complaint: string
  try {
    const program = await findRedis()
    const home = join(folder, 'redis')
    const { url, pid, stop } = await startRedis(program, home)
    watchdog.guard(pid, home)
    return { url, program, stop }
  } catch (error) {
    complaint = messageOf(error)
  }
  if (process.env['CI'] === 'true') throw new Error(complaint)
  const warn = () => console.warn(`\n*** THE REDIS HALF OF THE QUEUE TESTS IS SKIPPED ***\n${complaint}\n`)
  warn()
  // The warning is repeated at the end, where people read it.
  return { url: null, program: null, stop: async () => warn() }
}

/**
 * Finds redis-server on the PATH, or unpacks Debian's package without root.
 * @throws Error that says why when neither can be had
 */
export async function findRedis(): Promise<RedisProgram> {
  const reasons: string[] = []
  for (const find of [onPath, unpackRedis]) {
    try {
      return await find()
    } catch (error) {
      reasons.push(messageOf(error))
    }
  }
  throw new Error(`No Redis: set REDIS_URL or install redis-server.\n  ${reasons.join('\n  ')}`)
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message.trim() : String(error)
}

async function onPath(): Promise<RedisProgram> {
  await run('redis-server', ['--version'])
  return { file: 'redis-server', env: {} }
}
