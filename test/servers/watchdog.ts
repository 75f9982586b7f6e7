import { spawn } from 'node:child_process'

/** A process that cleans up after this one if this one dies. */
export interface Watchdog {
  /** Makes the watchdog end the process `pid` and remove `folder` when this process dies. */
  guard(pid: number, folder: string): void
  /** Ends the watchdog without cleaning up, since this process has done so itself. */
  release(): void
}

/** Reads what to guard until the pipe closes, which happens however this process dies, by SIGKILL too. */
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

/** Starts a watchdog that also removes `folder`. */
export function startWatchdog(folder: string): Watchdog {
  const child = spawn(process.execPath, ['-e', SCRIPT, folder], {
    // A session of its own keeps Ctrl-C away from the watchdog.
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  child.unref()
  // Somebody may kill the watchdog, which is no reason to fail a test.
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
