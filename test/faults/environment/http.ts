import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { isKeyIn } from './canary.js'

interface RequestOptions {
  method?: string
  body?: string
  headers?: Record<string, string>
}

interface Answer {
  status: number
  retryAfter: string | null
  text: string
  ms: number
}

const runAnswer = z.object({
  data: z.object({ id: z.string(), status: z.string(), counts: z.record(z.string(), z.number()) }),
})
type Run = z.infer<typeof runAnswer>['data']

/** The API as a client sees it. Each answer is kept to judge I6 and is searched for the API key (I5). */
export interface Http {
  request: (path: string, options?: RequestOptions) => Promise<Answer>
  /** Posts a run of these symbols, compact unless `request` says otherwise. Throws for any answer but 202. */
  ingest: (
    symbols: readonly string[],
    request?: Record<string, unknown>,
  ) => Promise<{ id: string; ms: number }>
  run: (id: string) => Promise<Run>
  /** The runs that the API answered with 202. */
  readonly accepted: readonly { id: string; symbols: readonly string[] }[]
  /** The complaints about I5 and I6 so far, one sentence each. */
  violations: (options: { allows503: boolean }) => string[]
  /** Ends the watch that asks the API all the time. */
  close: () => Promise<void>
}

const REQUEST_DEADLINE_MS = 30_000
const WATCH_INTERVAL_MS = 100
/** The watch asks one of these at a time in turn, and /healthz beside each. */
const WATCHED = ['/readyz', '/api/ingest?limit=1', '/api/financial_data?limit=1', '/api/failures?limit=1']

/** @param urlOf returns where the API listens, and undefined while the API is meant to be away */
export function createHttp(urlOf: () => string | undefined): Http {
  const answers: { path: string; status: number; retryAfter: string | null }[] = []
  const accepted: { id: string; symbols: readonly string[] }[] = []
  const faults: string[] = []
  const stop = new AbortController()

  async function request(path: string, { method = 'GET', body, headers = {} }: RequestOptions = {}) {
    const url = urlOf()
    if (url === undefined) throw new Error(`There is no API to ask for ${path}`)
    const startedAt = performance.now()
    const response = await fetch(`${url}${path}`, {
      method,
      headers: body === undefined ? headers : { 'content-type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body }),
      signal: AbortSignal.timeout(REQUEST_DEADLINE_MS),
      redirect: 'manual',
    })
    const text = await response.text()
    const retryAfter = response.headers.get('retry-after')
    answers.push({ path, status: response.status, retryAfter })
    if (isKeyIn(text) || isKeyIn(JSON.stringify([...response.headers])))
      faults.push(`I5: the key is in the answer to ${path}`)
    return { status: response.status, retryAfter, text, ms: Math.round(performance.now() - startedAt) }
  }

  async function watch(): Promise<void> {
    for (let turn = 0; !stop.signal.aborted; turn += 1) {
      const url = urlOf()
      if (url !== undefined) {
        const path = WATCHED[turn % WATCHED.length] ?? '/readyz'
        await Promise.all([
          fetch(`${url}/healthz`, { signal: AbortSignal.timeout(REQUEST_DEADLINE_MS) })
            .then(async (response) => {
              await response.arrayBuffer()
              if (response.status !== 200) faults.push(`I6: /healthz answered ${response.status}`)
            })
            .catch((error: unknown) => blame(url, '/healthz', error)),
          request(path).catch((error: unknown) => blame(url, path, error)),
        ])
      }
      await sleep(WATCH_INTERVAL_MS, undefined, { signal: stop.signal }).catch(() => {})
    }
  }
  /** Notes a missing answer, unless the API was killed meanwhile or the watch ends. */
  function blame(url: string, path: string, error: unknown): void {
    if (url === urlOf() && !stop.signal.aborted) faults.push(`I6: no answer to ${path}: ${String(error)}`)
  }
  const watching = watch()

  return {
    request,
    accepted,
    async ingest(symbols, more = {}) {
      const body = JSON.stringify({ symbols, outputsize: 'compact', ...more })
      const answer = await request('/api/ingest', { method: 'POST', body })
      if (answer.status !== 202) throw new Error(`POST /api/ingest answered ${answer.status}: ${answer.text}`)
      const { id } = runAnswer.parse(JSON.parse(answer.text)).data
      accepted.push({ id, symbols })
      return { id, ms: answer.ms }
    },
    async run(id) {
      const answer = await request(`/api/ingest/${id}`)
      if (answer.status !== 200) throw new Error(`GET of the run answered ${answer.status}: ${answer.text}`)
      return runAnswer.parse(JSON.parse(answer.text)).data
    },
    violations({ allows503 }) {
      const unexpected = answers.filter(
        ({ status, retryAfter }) => status >= 500 && !(allows503 && status === 503 && retryAfter !== null),
      )
      const counted = new Map<string, number>()
      for (const { path, status, retryAfter } of unexpected) {
        const what = `I6: ${path} answered ${status}${retryAfter === null ? ' without Retry-After' : ''}`
        counted.set(what, (counted.get(what) ?? 0) + 1)
      }
      return [...new Set(faults), ...[...counted].map(([what, times]) => `${what} (${times} times)`)]
    },
    async close() {
      stop.abort()
      await watching
    },
  }
}
