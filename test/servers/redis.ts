import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { startRedis } from '@stockpile/test-harness/redis-server'
import type { RedisProgram } from '@stockpile/test-harness/redis-server'
import { unpackRedis } from './debian-redis.js'
import type { Watchdog } from './watchdog.js'

const run = promisify(execFile)

interface Redis {
  /** Null when none is to be had. */
  url: string | null
  /** Null when it is not ours to start another. */
  program: RedisProgram | null
  stop: () => Promise<void>
}

/**
 * A Redis from REDIS_URL, from redis-server on the PATH, or from Debian's packages, unpacked without root.
 * With none of them its half of the tests is skipped; under CI=true that is an error.
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
  // Again at the end, where it is read.
  return { url: null, program: null, stop: async () => warn() }
}

/**
 * The redis-server on the PATH, or of Debian's packages, unpacked without root.
 * @throws Error when neither is to be had, saying why
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
