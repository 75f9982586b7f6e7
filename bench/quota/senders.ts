import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Task } from './task.js'

const SENDER = fileURLToPath(new URL('./sender.ts', import.meta.url))
const PROCESSES = 4

export interface Senders {
  /** Kills all processes at once and starts as many anew, which send as soon as they can. */
  killAndRestart(): Promise<void>
  /** Kills all processes. Rejects when one had ended by itself. */
  stop(): Promise<void>
}

/** Starts the processes and lets them send when all are ready. */
export async function startSenders(task: Task): Promise<Senders> {
  let children = await readyAndGo(task)
  return {
    async killAndRestart() {
      await kill(children)
      children = await readyAndGo(task)
    },
    async stop() {
      const ended = children.filter((child) => child.exitCode !== null)
      await kill(children)
      if (ended.length > 0)
        throw new Error(`${ended.length} senders (${task.contestant}) ended by themselves`)
    },
  }
}

async function readyAndGo(task: Task): Promise<ChildProcess[]> {
  // A fork inherits the options `--conditions` and `--import` of this process.
  const children = Array.from({ length: PROCESSES }, () => fork(SENDER))
  try {
    await Promise.all(
      children.map(async (child) => {
        child.send(task)
        const exited = once(child, 'exit').then(() => {
          throw new Error(`a sender (${task.contestant}) ended before it was ready`)
        })
        await Promise.race([once(child, 'message'), exited])
        exited.catch(() => undefined)
      }),
    )
    for (const child of children) child.send('go')
    return children
  } catch (error) {
    await kill(children)
    throw error
  }
}

async function kill(children: readonly ChildProcess[]): Promise<void> {
  await Promise.all(
    children
      .filter((child) => child.exitCode === null && child.signalCode === null)
      .map(async (child) => {
        const exited = once(child, 'exit')
        child.kill('SIGKILL')
        await exited
      }),
  )
}
