import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { unpackRedis } from './debian-redis.js'
import type { Watchdog } from './watchdog.js'

const run = promisify(execFile)

/** How to run redis-server. */
export interface RedisProgram {
  file: string
  env: NodeJS.ProcessEnv
}

interface Redis {
  /** Null when none is to be had. */
  url: string | null
  stop: () => Promise<void>
}

const START_TIMEOUT_MS = 10_000
const START_ATTEMPTS = 3

/**
 * A Redis from REDIS_URL, from redis-server on the PATH, or from Debian's packages, unpacked without root.
 * With none of them its half of the tests is skipped; under CI=true that is an error.
 */
export async function obtainRedis(folder: string, watchdog: Watchdog): Promise<Redis> {
  const given = process.env['REDIS_URL']
  if (given !== undefined && given !== '') return { url: given, stop: async () => undefined }
  const reasons: string[] = []
  for (const find of [onPath, unpackRedis]) {
    try {
      return await start(await find(), join(folder, 'redis'), watchdog)
    } catch (error) {
      reasons.push(error instanceof Error ? error.message.trim() : String(error))
    }
  }
  const complaint = `No Redis: set REDIS_URL or install redis-server.\n  ${reasons.join('\n  ')}`
  if (process.env['CI'] === 'true') throw new Error(complaint)
  const warn = () => console.warn(`\n*** THE REDIS HALF OF THE QUEUE TESTS IS SKIPPED ***\n${complaint}\n`)
  warn()
  // Again at the end, where it is read.
  return { url: null, stop: async () => warn() }
}

async function onPath(): Promise<RedisProgram> {
  await run('redis-server', ['--version'])
  return { file: 'redis-server', env: process.env }
}

async function start(program: RedisProgram, folder: string, watchdog: Watchdog): Promise<Redis> {
  await mkdir(folder, { recursive: true })
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort()
    const settings = { port, bind: '127.0.0.1', save: '', appendonly: 'no', dir: folder }
    const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)])
    const child = spawn(program.file, args, {
      env: program.env,
      detached: true,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const exited = once(child, 'exit')
    const said: string[] = []
    const timer = setTimeout(() => child.kill('SIGKILL'), START_TIMEOUT_MS)
    for await (const line of createInterface({ input: child.stdout })) {
      said.push(line)
      if (line.includes('Ready to accept connections')) break
    }
    clearTimeout(timer)
    if (child.pid !== undefined && said.at(-1)?.includes('Ready to accept connections') === true) {
      watchdog.guard(child.pid, folder)
      child.unref()
      child.stdout.resume()
      return {
        url: `redis://127.0.0.1:${port}`,
        stop: async () => {
          child.kill('SIGKILL')
          await exited
        },
      }
    }
    await exited
    if (attempt === START_ATTEMPTS) throw new Error(`redis-server did not start: ${said.join('\n')}`)
  }
}

/** Somebody may take it before Redis does: then it is started again on another. */
async function freePort(): Promise<number> {
  const listener = createServer().listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const address = listener.address()
  listener.close()
  await once(listener, 'close')
  if (address === null || typeof address === 'string') throw new Error('No TCP port to be had on 127.0.0.1')
  return address.port
}
