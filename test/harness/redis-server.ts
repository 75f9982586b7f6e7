import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { freePort } from '@stockpile/embedded-postgres/free-port'
import { inject, onTestFinished } from 'vitest'

/** How to run redis-server. */
export interface RedisProgram {
  file: string
  /** What it needs beside this process's own environment. */
  env: Record<string, string>
}

declare module 'vitest' {
  interface ProvidedContext {
    /** Null where the run has no redis-server of its own to start. */
    redisProgram: RedisProgram | null
  }
}

export interface RedisServer {
  pid: number
  url: string
  /** Kills it at once. */
  stop: () => Promise<void>
}

const START_TIMEOUT_MS = 10_000
const START_ATTEMPTS = 3

/** Starts a Redis on a free port of loopback, which keeps nothing unless the settings say so. */
export async function startRedis(
  program: RedisProgram,
  folder: string,
  settings: Record<string, string> = {},
): Promise<RedisServer> {
  await mkdir(folder, { recursive: true })
  for (let attempt = 1; ; attempt += 1) {
    // Somebody may take it before Redis does: then it is started again on another.
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
          // Nothing else may keep the process that waits for it.
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

/** A Redis of the current test's own, to be misconfigured or killed. Null where this run has only somebody else's. */
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
