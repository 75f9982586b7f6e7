import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/** The user whose rights a child process gets; undefined for the rights of this process. */
export type Account = { uid: number; gid: number } | undefined

const execFileAsync = promisify(execFile)

/**
 * The environment of child processes, without the user's PG* variables and locale, which would change what the server does. On
 * Windows no program runs without the variables of Windows.
 */
export const environment =
  process.platform === 'win32' ? {} : { env: { LC_ALL: 'C', TZ: 'UTC', PATH: '/usr/bin:/bin' } }

/**
 * Runs a program to its end, at most `timeoutMs`.
 * @returns what the program printed
 * @throws an error with the program's stderr in its message, when the program fails or is late
 */
export async function run(
  file: string,
  args: string[],
  { account, timeoutMs }: { account: Account; timeoutMs: number },
): Promise<string> {
  // The working folder of this process may be closed to the other account.
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
