import { setTimeout as sleep } from 'node:timers/promises'
import * as z from 'zod'
import type { Arrival } from './stack.js'

export const API = 'http://127.0.0.1:8081'
/** The default of WORKER_CONCURRENCY: how many symbols a killed worker may have had in flight. */
export const IN_FLIGHT = 4
/** So long that only a defect reaches this deadline, and no busy machine. */
const DEADLINE_MS = 10 * 60_000
const POLL_MS = 200

const runSchema = z.object({
  id: z.string(),
  status: z.string(),
  counts: z.object({ total: z.number(), pending: z.number(), running: z.number(), succeeded: z.number() }),
  rows: z.object({ inserted: z.number() }),
})
export type Run = z.infer<typeof runSchema>

/**
 * Asks again every 200 ms until the answer is defined, and returns it; rejects after ten minutes.
 * @param what says in the error what was waited for
 */
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

/** Returns how many entries a list of the API has. */
export async function countOf(path: string): Promise<number> {
  return pageSchema.parse(await get(path)).pagination.count
}

/** Posts a run and returns its id. */
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

/** Waits until a run is as `until` wants it; the API may be away in between. */
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

/** Waits for the end of a run; rejects unless the run succeeded. */
export async function finished(id: string): Promise<Run> {
  const run = await runUntil(id, ({ counts }) => counts.pending + counts.running === 0)
  if (run.status !== 'succeeded') throw new Error(`the run ended as ${JSON.stringify(run)}`)
  return run
}

/** Waits until as many items of a run have succeeded as `succeeded` says. */
export const midway = (id: string, succeeded: number) =>
  runUntil(id, ({ counts }) => counts.succeeded >= succeeded)

/** Symbols that begin with a prefix: KILL000, KILL001, … */
export function symbolsNamed(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${String(index).padStart(3, '0')}`)
}

/** Says how often symbols were requested. Throws when one was never requested, or more than `mayRepeat` were twice. */
export function requestsOf(symbols: string[], arrivals: Arrival[], mayRepeat = 0): string {
  const times = symbols.map((symbol) => arrivals.filter((arrival) => arrival.symbol === symbol).length)
  const never = times.filter((count) => count === 0).length
  const again = times.filter((count) => count > 1).length
  const text = `${symbols.length} symbols, ${times.reduce((sum, count) => sum + count, 0)} requests, ${again} asked for again`
  if (never > 0 || again > mayRepeat || times.some((count) => count > 2))
    throw new Error(`${text}, ${never} never`)
  return text
}

/** Returns the first line of a log with the words; '' when there is none. */
export function lineWith(log: string, words: string): string {
  return log.split('\n').find((line) => line.includes(words)) ?? ''
}
