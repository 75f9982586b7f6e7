import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const DEADLINE_MS = 10 * 60_000
/** The variables that the docker client needs; any other could set a variable of docker-compose.yml. */
const PASSED = /^(PATH|HOME|XDG_RUNTIME_DIR|DOCKER_.*|BUILDKIT_.*|https?_proxy|no_proxy)$/i

/** Runs the docker client and returns its stdout; rejects with its last lines when it fails. */
export async function docker(args: string[]): Promise<string> {
  const child = spawn('docker', args, {
    cwd: ROOT,
    env: Object.fromEntries(Object.entries(process.env).filter(([name]) => PASSED.test(name))),
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: DEADLINE_MS,
  })
  let stdout = ''
  let all = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => ((stdout += text), (all += text)))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (all += text))
  const outcome = await new Promise<string | number | null>((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('close', (code, killedBy) => resolve(killedBy ?? code))
  })
  if (outcome === 0) return stdout
  throw new Error(`docker ${args.join(' ')} failed (${outcome}):\n${all.split('\n').slice(-40).join('\n')}`)
}
