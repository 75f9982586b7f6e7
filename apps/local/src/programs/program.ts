import { fork } from 'node:child_process'
import { createInterface } from 'node:readline'
import { within } from '@stockpile/time/wait'
import * as z from 'zod'
import { type LogLine, isLogged, parseLogLine, readableLine } from './log-line.js'
import { aborted, deferred } from '../promises.js'
import type { Config } from '../settings/config.js'
import { openLogFile } from './log-file.js'
import { messageOf, StartError } from '../errors.js'

export interface ProgramOptions {
  /** The program's name in messages: 'worker'. */
  name: string
  file: string
  args?: string[]
  /** The whole environment of the program. */
  env: Record<string, string | undefined>
  logPath: string
  logLevel: Config['logLevel']
  /** Milliseconds that a stop may take before the program is killed. */
  stopMs: number
  onLine: (line: LogLine) => void
}

export interface Program {
  /** The program's address, '' for one without. Rejects with StartError when the program ends before, or takes too long. */
  ready: Promise<string>
  /** Rejects with StartError when the program ends without having been told to. Never resolves. */
  died: Promise<never>
  /** Ends the program, waits for its end, and kills it after `stopMs` or as soon as `hurry` aborts. */
  stop(hurry: AbortSignal): Promise<'stopped' | 'killed'>
}

/** Longer than the 60 s for which the API waits for a database. */
const START_DEADLINE_MS = 75_000
/** So many last lines of a program are shown when it ends unexpectedly. */
const LAST_LINES = 5

const listeningSchema = z.object({ url: z.string() })

/** Starts a program that ends by itself when this process does, since its IPC channel then closes. */
export function startProgram(options: ProgramOptions): Program {
  const { name } = options
  const log = openLogFile(options.logPath)
  const last: string[] = []
  let stopping = false
  const child = fork(options.file, options.args ?? [], {
    env: options.env,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    // The program has a session of its own, so that a terminal's Ctrl-C reaches only this process, which stops its programs
    // in order.
    detached: process.platform !== 'win32',
    execArgv: [],
  })

  const { promise: ready, resolve, reject: notReady } = deferred<string>()
  const { promise: died, reject: die } = deferred<never>()
  const late = setTimeout(() => {
    notReady(
      new StartError(
        `The ${name} did not start within ${START_DEADLINE_MS / 1_000} s; its log is ${log.path}.`,
      ),
    )
  }, START_DEADLINE_MS)
  const settled = () => clearTimeout(late)
  ready.then(settled, settled)

  child.on('message', (message) => {
    const listening = listeningSchema.safeParse(message)
    if (listening.success) resolve(listening.data.url)
  })
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue
    createInterface({ input: stream }).on('line', (text) => {
      const line = parseLogLine(text)
      if (isLogged(line, options.logLevel)) log.write(text)
      last.push(line === undefined ? text : readableLine(name, line))
      if (last.length > LAST_LINES) last.shift()
      if (line === undefined) return
      // The worker says by this line that it is ready.
      if (line.msg === 'working') resolve('')
      options.onLine(line)
    })
  }
  // 'close' comes after all that the program wrote has been read.
  const closed = new Promise<void>((finish) => {
    const end = (how: string) => {
      log.close()
      if (!stopping) {
        const said = last.map((text) => `\n  ${text}`).join('')
        const error = new StartError(
          `The ${name} ended unexpectedly (${how}); its log is ${log.path}.${said}`,
        )
        notReady(error)
        die(error)
      }
      finish()
    }
    child.once('close', (code, signal) => end(signal ?? `exit code ${code}`))
    child.once('error', (error) => {
      if (child.pid === undefined) end(messageOf(error))
    })
  })

  return {
    ready,
    died,
    async stop(hurry) {
      stopping = true
      // Windows has no signals that a program could handle; there each program ends when its channel closes.
      if (process.platform !== 'win32') child.kill('SIGTERM')
      else if (child.connected) child.disconnect()
      await within(Promise.race([closed, aborted(hurry)]), options.stopMs)
      const running = child.pid !== undefined && child.exitCode === null && child.signalCode === null
      if (running) child.kill('SIGKILL')
      await closed
      return running ? 'killed' : 'stopped'
    },
  }
}
