import * as fc from 'fast-check'
import { createJudge } from './judge.js'
import { readDocument } from './document.js'
import { requestArbitrary } from './requests.js'
import type { FuzzRequest, Kind } from './fuzz-request.js'
import { createSender } from './send.js'
import type { Known } from './values.js'

export interface FuzzOptions {
  baseUrl: string
  known: Known
  requests: number
  seed: number
  /** The `path` of a failure: its request is repeated alone. */
  path?: string | undefined
  signal?: AbortSignal
}

export interface FuzzReport {
  requests: number
  seconds: number
  /** How many answers of each status each kind of request got. */
  statuses: Record<Kind, Map<number, number>>
  failures: FuzzFailure[]
  /** How many answers differ; `failures` has one of each kind alone. */
  differing: number
}

export interface FuzzFailure {
  differences: string[]
  /** The smallest request with such an answer that was found. */
  request: FuzzRequest
  /** The number of the batch, and fast-check's path within the batch. */
  path: string
}

/** Requests are generated in batches: fast-check repeats a request by its batch's seed and its place in the batch. */
const BATCH = 2_000
const CONNECTIONS = 16
/** Bounds the report: one defect shows itself in many requests. */
const MAX_FAILURES = 10
const SHRINK_MS = 5_000

/**
 * Sends requests that are made from the document, and judges each answer by the document. A seed always sends its own
 * requests.
 */
export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  const { baseUrl, known, requests, seed } = options
  const document = await readDocument()
  const arbitrary = requestArbitrary(document, known)
  const judge = createJudge(document)
  const sender = createSender(baseUrl, CONNECTIONS)
  const statuses: FuzzReport['statuses'] = {
    valid: new Map(),
    'almost valid': new Map(),
    hostile: new Map(),
    malformed: new Map(),
  }
  const failures = new Map<string, FuzzFailure>()
  let sent = 0
  let differing = 0

  async function differencesOf(request: FuzzRequest): Promise<string[]> {
    try {
      const answer = await sender.send(request)
      const counts = statuses[request.kind]
      counts.set(answer.status, (counts.get(answer.status) ?? 0) + 1)
      return judge(request, answer)
    } catch (error) {
      return [`does not come: ${String(error)}`]
    } finally {
      sent++
    }
  }

  async function shrink(request: FuzzRequest, differences: string[], at: { batch: number; path: string }) {
    const property = fc.asyncProperty(arbitrary, async (one) => (await differencesOf(one)).length === 0)
    const parameters = { seed: seedOf(seed, at.batch), path: at.path }
    const result = await fc.check(property, { ...parameters, numRuns: 1, interruptAfterTimeLimit: SHRINK_MS })
    const [smallest = request] = result.counterexample ?? []
    return { request: smallest, differences, path: `${at.batch}/${result.counterexamplePath ?? at.path}` }
  }

  const startedAt = performance.now()
  try {
    const [first = '0', path] = options.path?.split('/') ?? []
    for (let done = 0; done < requests && options.signal?.aborted !== true; done += BATCH) {
      const batch = Number(first) + done / BATCH
      const at = { seed: seedOf(seed, batch), ...(path === undefined ? {} : { path }) }
      const all = fc.sample(arbitrary, { ...at, numRuns: Math.min(BATCH, requests - done) })
      const found: [number, string[]][] = []
      let next = 0
      const work = async () => {
        for (let index = next++; index < all.length; index = next++) {
          const request = all[index]
          const differences = request === undefined ? [] : await differencesOf(request)
          if (differences.length > 0) found.push([index, differences])
        }
      }
      await Promise.all(Array.from({ length: CONNECTIONS }, work))
      differing += found.length
      for (const [index, differences] of found) {
        const request = all[index]
        const key = `${request?.method} ${request?.target.split('?', 1)[0]} ${request?.what.split(' ')[0]} ${differences.join()}`
        if (request === undefined || failures.has(key) || failures.size === MAX_FAILURES) continue
        failures.set(key, await shrink(request, differences, { batch, path: path ?? String(index) }))
      }
    }
  } finally {
    sender.close()
  }
  return {
    requests: sent,
    seconds: (performance.now() - startedAt) / 1_000,
    statuses,
    failures: [...failures.values()],
    differing,
  }
}

/** Makes the seed of a batch, so that runs of neighbouring seeds have no batch in common. */
function seedOf(seed: number, batch: number): number {
  return (Math.imul(seed, 0x9e3779b1) + batch) | 0
}
