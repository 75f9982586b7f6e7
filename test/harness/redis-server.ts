import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { freePort } from '@stockpile/embedded-postgres/free-port'
import { inject, onTestFinished } from 'vitest'

/** How redis-server is run on this machine. */
export interface RedisProgram {
  file: string
  /** Variables that it needs in addition to those of this process. */
  env: Record<string, string>
}

declare module 'vitest' {
  interface ProvidedContext {
    /** Null when this machine has no redis-server that a test could start. */
    redisProgram: RedisProgram | null
  }
}

export interface RedisServer {
  pid: number
  url: string
  /** Kills the server with SIGKILL; resolves when it is gone. */
  stop: () => Promise<void>
}

const START_TIMEOUT_MS = 10_000
const START_ATTEMPTS = 3

/** Starts a Redis server on a free port of loopback; it writes nothing to disk unless the settings say so. */
export async function startRedis(
  program: RedisProgram,
  folder: string,
  settings: Record<string, string> = {},
): Promise<RedisServer> {
  await mkdir(folder, { recursive: true })
  for (let attempt = 1; ; attempt += 1) {
    // Another process may take the port before Redis does; the next attempt uses another port.
    const port = await freePort()
    const all = {
      port: String(port),
      bind: '127.0.0.1',
      save: '',
      appendonly: 'no',
      dir: folder,
      ...settings,
    }
    const args = Object.entries(all).flatMap(([name, value]) => [`--${name}`, value])
    const child = spawn(program.file, args, {
      env: { ...process.env, ...program.env },
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
      child.unref()
      child.stdout.resume()
      return {
        pid: child.pid,
        url: `redis://127.0.0.1:${port}`,
        stop: async () => {
          // The process was unreferenced, and Node might exit before the 'exit' event otherwise.
          child.ref()
          child.kill('SIGKILL')
          await exited
        },
      }
    }
    await exited
    if (attempt === START_ATTEMPTS) throw new Error(`redis-server did not start: ${said.join('\n')}`)
  }
}

/** Starts a Redis server that only the current test uses and may kill. Returns null when there is no redis-server to start. */
export async function ownRedis(settings: Record<string, string> = {}): Promise<RedisServer | null> {
  const program = inject('redisProgram')
  if (program === null) return null
  const folder = await mkdtemp(join(tmpdir(), 'stockpile-redis-'))
  const server = await startRedis(program, folder, settings)
  onTestFinished(async () => {
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  })
  return server
}
