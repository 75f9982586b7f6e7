import { mkdtemp, mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import * as z from 'zod'
import { docker } from './docker.js'

export const PROJECT = 'stockpile-check'
export const API = 'http://127.0.0.1:8081'
/** WORKER_CONCURRENCY's default: what a killed worker may have had in flight. */
export const IN_FLIGHT = 4
/** Reached where something is broken, not where a machine is busy. */
const DEADLINE_MS = 10 * 60_000
const POLL_MS = 200

const runSchema = z.object({
  id: z.string(),
  status: z.string(),
  counts: z.object({ total: z.number(), pending: z.number(), running: z.number(), succeeded: z.number() }),
  rows: z.object({ inserted: z.number() }),
})
export type Run = z.infer<typeof runSchema>
const arrivalSchema = z.object({ symbol: z.string(), keyFingerprint: z.string() })
type Arrival = z.infer<typeof arrivalSchema>

/** Services as docker-compose.yml has them, but for what is put over them. */
export type Override = Record<string, Record<string, unknown>>

/** The compose file as a project of its own, without the .env and the secrets of whoever runs this. */
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
    /** What .env holds. */
    environment,
    containers,
    /** The demo's profile from now on, or none. */
    demo: (on: boolean) => (profile = on ? ['--profile', 'demo'] : []),
    /** The variant whose queue is in PostgreSQL from now on, or the one with Redis. */
    withoutRedis: (on: boolean) => (variant = on ? ['-f', 'docker-compose.without-redis.yml'] : []),
    up: (...args: string[]) => compose('up', '--wait', ...args),
    down: (...args: string[]) => compose('down', ...args),
    /** Compose erases the line of the terminal before each one, even where there is none. */
    logs: async (service: string) =>
      (await compose('logs', '--no-color', '--no-log-prefix', service)).replaceAll('\u001b[2K', ''),
    psql: async (database: string, sql: string) =>
      (
        await compose('exec', '-T', 'postgres', 'psql', '-U', 'stockpile', '-tA', '-d', database, '-c', sql)
      ).trim(),
    /** As an operator would replace it: at once and whole. */
    async writeKey(key: string) {
      await writeFile(join(folder, 'key'), key)
      await rename(join(folder, 'key'), join(secrets, 'alphavantage_api_key'))
    },
    /** The requests since the simulator started. */
    async arrivals(): Promise<Arrival[]> {
      const ask =
        "fetch('http://127.0.0.1:8080/simulator/arrivals').then((answer) => answer.text()).then((text) => process.stdout.write(text))"
      const text = await compose('exec', '-T', 'simulator', 'node', '-e', ask)
      return z.array(arrivalSchema).parse(JSON.parse(text))
    },
    /** The requests until the simulator's container ends, which takes the log with it. */
    async arrivalsToTheEnd(): Promise<Arrival[]> {
      const [simulator = ''] = await containers('simulator')
      const lines = (await docker(['logs', '--follow', simulator])).split('\n')
      return lines.filter((line) => line.startsWith('{')).map((line) => arrivalSchema.parse(JSON.parse(line)))
    },
    /** Lets the simulator take so long for each answer. */
    async slowDown(ms: number) {
      const rules = JSON.stringify([{ answer: { kind: 'delay', ms } }])
      const tell = `fetch('http://127.0.0.1:8080/simulator/rules', { method: 'PUT', body: process.argv[1] }).then((answer) => process.exit(answer.ok ? 0 : 1))`
      await compose('exec', '-T', 'simulator', 'node', '-e', tell, rules)
    },
    /** What the project has left on the engine. */
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

/** Asks again until there is an answer; rejects at the deadline, saying what it waited for. */
export async function waitFor<T>(what: () => string, ask: () => Promise<T | undefined>): Promise<T> {
  const deadline = performance.now() + DEADLINE_MS
  for (;;) {
    const answer = await ask()
    if (answer !== undefined) return answer
    if (performance.now() > deadline) throw new Error(`waited ${DEADLINE_MS / 1_000} s in vain for ${what()}`)
    await sleep(POLL_MS)
  }
}

export async function get(path: string): Promise<unknown> {
  const response = await fetch(`${API}${path}`)
  if (!response.ok) throw new Error(`GET ${path} answered ${response.status}: ${await response.text()}`)
  return response.json()
}

const pageSchema = z.object({ pagination: z.object({ count: z.number() }) })

/** @returns how many there are of what the path lists */
export async function countOf(path: string): Promise<number> {
  return pageSchema.parse(await get(path)).pagination.count
}

export async function ingest(symbols: string[]): Promise<string> {
  const response = await fetch(`${API}/api/ingest`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ symbols }),
  })
  if (response.status !== 202)
    throw new Error(`POST /api/ingest answered ${response.status}: ${await response.text()}`)
  return z.object({ data: runSchema }).parse(await response.json()).data.id
}

/** Waits until the run is as it should be, past the API's absence while it restarts. */
function runUntil(id: string, until: (run: Run) => boolean): Promise<Run> {
  let last: Run | undefined
  return waitFor(
    () => `run ${id}, which is ${JSON.stringify(last)}`,
    async () => {
      const answer = await get(`/api/ingest/${id}`).catch(() => undefined)
      if (answer !== undefined) last = z.object({ data: runSchema }).parse(answer).data
      return last !== undefined && until(last) ? last : undefined
    },
  )
}

export async function finished(id: string): Promise<Run> {
  const run = await runUntil(id, ({ counts }) => counts.pending + counts.running === 0)
  if (run.status !== 'succeeded') throw new Error(`the run ended as ${JSON.stringify(run)}`)
  return run
}

export const midway = (id: string, succeeded: number) =>
  runUntil(id, ({ counts }) => counts.succeeded >= succeeded)

/** Names that no other call gives. */
export function symbolsNamed(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${String(index).padStart(3, '0')}`)
}

/** How often each was asked for, as a sentence; rejects when one was never, or more than `mayRepeat` of them again. */
export function requestsOf(symbols: string[], arrivals: Arrival[], mayRepeat = 0): string {
  const times = symbols.map((symbol) => arrivals.filter((arrival) => arrival.symbol === symbol).length)
  const never = times.filter((count) => count === 0).length
  const again = times.filter((count) => count > 1).length
  const text = `${symbols.length} symbols, ${times.reduce((sum, count) => sum + count, 0)} requests, ${again} asked for again`
  if (never > 0 || again > mayRepeat || times.some((count) => count > 2))
    throw new Error(`${text}, ${never} never`)
  return text
}

/** @returns the first line of a log with the words; '' when there is none */
export function lineWith(log: string, words: string): string {
  return log.split('\n').find((line) => line.includes(words)) ?? ''
}
