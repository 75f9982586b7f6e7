import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/** The user whose rights a child process gets; undefined: those of this process. */
export type Account = { uid: number; gid: number } | undefined

const execFileAsync = promisify(execFile)

/** Neither the user's PG* variables nor their locale may change what the server does. Windows needs its own to run at all. */
export const environment =
  process.platform === 'win32' ? {} : { env: { LC_ALL: 'C', TZ: 'UTC', PATH: '/usr/bin:/bin' } }

/** Runs a program to its end, at most `timeoutMs`, and returns what it printed; rejects when it fails, stderr in the message. */
export async function run(
  file: string,
  args: string[],
  { account, timeoutMs }: { account: Account; timeoutMs: number },
): Promise<string> {
  // The folder this process stands in may be closed to the other account.
  const cwd = process.platform === 'win32' ? {} : { cwd: '/' }
  const { stdout } = await execFileAsync(file, args, {
    ...environment,
    ...account,
    ...cwd,
    timeout: timeoutMs,
    windowsHide: true,
  })
  return stdout.trim()
}
