import { mkdtemp, mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as z from 'zod'
import { docker } from './docker.js'

export const PROJECT = 'stockpile-check'
const arrivalSchema = z.object({ symbol: z.string(), keyFingerprint: z.string() })
export type Arrival = z.infer<typeof arrivalSchema>

/** Properties of services that replace those in docker-compose.yml, by service. */
export type Override = Record<string, Record<string, unknown>>

/** Makes a project of its own from docker-compose.yml, without the .env file and the secrets of the person who runs this. */
export async function createStack() {
  const folder = await mkdtemp(join(tmpdir(), 'stockpile-compose-'))
  const secrets = join(folder, 'secrets')
  const overrideFile = join(folder, 'override.json')
  await mkdir(secrets)
  const environment = (lines: string) => writeFile(join(folder, 'env'), lines)
  await environment('')
  const override = (services: Override) => {
    const worker = { ...services['worker'], volumes: [`${secrets}:/run/secrets:ro`] }
    return writeFile(overrideFile, JSON.stringify({ services: { ...services, worker } }))
  }
  await override({})
  const files = ['-f', 'docker-compose.yml', '-f', overrideFile, '--env-file', join(folder, 'env')]
  let profile: string[] = []
  let variant: string[] = []

  const compose = (...args: string[]) =>
    docker(['compose', '-p', PROJECT, ...files, ...variant, ...profile, ...args])
  const containers = async (service: string) =>
    (await compose('ps', '--all', '--quiet', service)).split('\n').filter((id) => id !== '')
  return {
    compose,
    override,
    /** Writes the project's .env file. */
    environment,
    containers,
    /** Switches the profile `demo` on or off for the commands that follow. */
    demo: (on: boolean) => (profile = on ? ['--profile', 'demo'] : []),
    /** Switches to the variant whose queue is in PostgreSQL, or back to Redis, for the commands that follow. */
    withoutRedis: (on: boolean) => (variant = on ? ['-f', 'docker-compose.without-redis.yml'] : []),
    up: (...args: string[]) => compose('up', '--wait', ...args),
    down: (...args: string[]) => compose('down', ...args),
    /** Returns a service's log, without the codes for a terminal that Compose writes even into a pipe. */
    logs: async (service: string) =>
      (await compose('logs', '--no-color', '--no-log-prefix', service)).replaceAll('\u001b[2K', ''),
    psql: async (database: string, sql: string) =>
      (
        await compose('exec', '-T', 'postgres', 'psql', '-U', 'stockpile', '-tA', '-d', database, '-c', sql)
      ).trim(),
    /** Replaces the file with the API key by renaming, so that no worker reads half a key. */
    async writeKey(key: string) {
      await writeFile(join(folder, 'key'), key)
      await rename(join(folder, 'key'), join(secrets, 'alphavantage_api_key'))
    },
    /** Returns the requests since the simulator started. */
    async arrivals(): Promise<Arrival[]> {
      const ask =
        "fetch('http://127.0.0.1:8080/simulator/arrivals').then((answer) => answer.text()).then((text) => process.stdout.write(text))"
      const text = await compose('exec', '-T', 'simulator', 'node', '-e', ask)
      return z.array(arrivalSchema).parse(JSON.parse(text))
    },
    /** Returns all requests once the simulator's container has ended; started before the end, which takes the log away. */
    async arrivalsToTheEnd(): Promise<Arrival[]> {
      const [simulator = ''] = await containers('simulator')
      const lines = (await docker(['logs', '--follow', simulator])).split('\n')
      return lines.filter((line) => line.startsWith('{')).map((line) => arrivalSchema.parse(JSON.parse(line)))
    },
    /** Makes the simulator take `ms` milliseconds for each answer. */
    async slowDown(ms: number) {
      const rules = JSON.stringify([{ answer: { kind: 'delay', ms } }])
      const tell = `fetch('http://127.0.0.1:8080/simulator/rules', { method: 'PUT', body: process.argv[1] }).then((answer) => process.exit(answer.ok ? 0 : 1))`
      await compose('exec', '-T', 'simulator', 'node', '-e', tell, rules)
    },
    /** Returns the ids of the project's containers, volumes and networks that are still on the engine. */
    async left(): Promise<string[]> {
      const label = ['--filter', `label=com.docker.compose.project=${PROJECT}`, '--quiet']
      const lists = await Promise.all([
        docker(['ps', '--all', ...label]),
        docker(['volume', 'ls', ...label]),
        docker(['network', 'ls', ...label]),
      ])
      return lists.flatMap((list) => list.split('\n').filter((id) => id !== ''))
    },
    async dispose() {
      profile = ['--profile', 'demo']
      await compose('down', '--volumes', '--remove-orphans')
      await rm(folder, { recursive: true, force: true })
    },
  }
}
export type Stack = Awaited<ReturnType<typeof createStack>>
