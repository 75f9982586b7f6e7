import { spawn } from 'node:child_process'

export interface Watchdog {
  /** Ends this process and removes this folder when the test run dies. */
  guard(pid: number, folder: string): void
  /** Lets everything be: the run has cleaned up by itself. */
  release(): void
}

/** Reads what to guard until the pipe closes, which it does however its writer dies, kill -9 included. */
const SCRIPT = `
const { rmSync } = require('node:fs')
const pids = [], folders = [process.argv[1]]
let text = ''
process.stdin.on('data', (chunk) => (text += chunk)).on('end', () => {
  for (const line of text.trim().split('\\n').filter(Boolean)) {
    const { pid, folder, release } = JSON.parse(line)
    if (release) process.exit()
    pids.push(pid); folders.push(folder)
  }
  for (const pid of pids) try { process.kill(pid, 'SIGQUIT') } catch {}
  const deadline = Date.now() + 5000
  const alive = (pid) => { try { return process.kill(pid, 0) } catch { return false } }
  const finish = () => {
    if (pids.some(alive) && Date.now() < deadline) return setTimeout(finish, 50)
    for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }
  finish()
})`

/** Stops the shared servers and removes `folder` when the run is interrupted before its teardown. */
export function startWatchdog(folder: string): Watchdog {
  const child = spawn(process.execPath, ['-e', SCRIPT, folder], {
    // In a session of its own, or Ctrl-C would end it with the run.
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  child.unref()
  // Killed from outside: nothing to do about it, and no reason to fail a test.
  child.stdin.on('error', () => undefined)
  const tell = (message: object) => child.stdin.write(`${JSON.stringify(message)}\n`)
  return {
    guard: (pid, guarded) => tell({ pid, folder: guarded }),
    release: () => {
      tell({ release: true })
      child.stdin.end()
    },
  }
}
