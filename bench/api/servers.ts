import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { startProgram } from '@stockpile/test/programs'
import * as z from 'zod'
import { measuredSchema } from './task.js'
import type { Measured, Task } from './task.js'

// A fork inherits the options `--conditions` and `--import` of this process.
const BARE = fileURLToPath(new URL('./bare.ts', import.meta.url))
const LOAD_GENERATOR = fileURLToPath(new URL('./load-generator.ts', import.meta.url))

interface Server {
  url: string
  stop(): Promise<unknown>
}

/** Starts the API as production runs it: its build, with a queue in the same database and the usual log. */
export function startOurs(databaseUrl: string): Promise<Server> {
  return startProgram('api', { env: { DATABASE_URL: databaseUrl, PORT: '0', LOG_LEVEL: 'info' } })
}

/** Starts a bare route on the same database. */
export async function startBare(databaseUrl: string): Promise<Server> {
  const child = fork(BARE, [databaseUrl])
  return { url: z.object({ url: z.string() }).parse(await nextMessage(child)).url, stop: () => end(child) }
}

export interface LoadGenerator {
  /** Sends the requests of one task; one task at a time. */
  send(task: Task): Promise<Measured>
  stop(): Promise<unknown>
}

/** Starts the process that sends requests: in this process they would compete with other work, and answers would look late. */
export function startLoadGenerator(): LoadGenerator {
  const child = fork(LOAD_GENERATOR)
  return {
    async send(task) {
      child.send(task)
      return measuredSchema.parse(await nextMessage(child))
    },
    stop: () => end(child),
  }
}

function nextMessage(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const fail = () => reject(new Error(`${child.spawnargs.at(-1)} ended`))
    child.once('exit', fail)
    child.once('message', (message: unknown) => {
      child.off('exit', fail)
      resolve(message)
    })
  })
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill()
  await exited
}
