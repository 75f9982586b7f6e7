import * as z from 'zod'

const countSchema = z.number()
const rowsSchema = z.object({
  fetched: countSchema,
  inserted: countSchema,
  updated: countSchema,
  unchanged: countSchema,
  rejected: countSchema,
  provisional: countSchema,
})

// Statuses, outcomes and what is waited for are taken as text: a value of a newer API must not end the display.
const runSchema = z.object({
  id: z.string(),
  status: z.string(),
  requested_at: z.coerce.date(),
  finished_at: z.coerce.date().nullable(),
  counts: z.object({
    total: countSchema,
    pending: countSchema,
    running: countSchema,
    succeeded: countSchema,
    failed: countSchema,
    cancelled: countSchema,
  }),
  rows: rowsSchema,
  estimated_completion_at: z.coerce.date().nullable(),
  waiting: z.object({ for: z.string(), reason: z.string(), until: z.coerce.date().nullable() }).nullable(),
  warnings: z.array(z.object({ detail: z.string() })),
})

const itemSchema = z.object({
  id: z.number(),
  symbol: z.string(),
  state: z.enum(['pending', 'running', 'succeeded', 'failed', 'cancelled']),
  outcome: z.string().nullable(),
  history_limited: z.boolean(),
  waiting_for: z.string().nullable(),
  next_attempt_at: z.coerce.date().nullable(),
  rows: rowsSchema,
  error: z.object({ detail: z.string(), advice: z.string() }).nullable(),
})

const pageSchema = <Entry extends z.ZodType>(entry: Entry) =>
  z.object({ data: z.array(entry), pagination: z.object({ count: countSchema }) })
const barsSchema = pageSchema(z.object({ symbol: z.string(), date: z.iso.date() }))

/** As the API tells it. */
export type Run = z.infer<typeof runSchema>
export type Item = z.infer<typeof itemSchema>

/** What is stored of one symbol; dates as ISO text. */
export interface Stored {
  symbol: string
  rows: number
  firstDate: string
  lastDate: string
}

export interface Api {
  url: string
  /** The newest 20, newest first. */
  runs(): Promise<Run[]>
  run(id: string): Promise<Run>
  /** In the order of the request, at most `limit`. */
  items(runId: string, options: { limit: number; state?: Item['state'] }): Promise<Item[]>
  /** Of this symbol, or of the first one in the order of the alphabet; undefined when nothing is stored. */
  stored(symbol?: string): Promise<Stored | undefined>
}

const DEADLINE_MS = 5_000

/** Asks the API as anybody would, over HTTP. Everything rejects when it does not answer as it should within 5 s. */
export function createApi(url: string): Api {
  const get = async <Answer extends z.ZodType>(path: string, answer: Answer): Promise<z.infer<Answer>> => {
    const response = await fetch(new URL(path, url), {
      // Not cut off by a stop: an API whose request was aborted takes longer to close than the answer takes.
      signal: AbortSignal.timeout(DEADLINE_MS),
    })
    if (!response.ok) throw new Error(`GET ${path} answered ${response.status}`)
    return answer.parse(await response.json())
  }
  const bars = (symbol: string | undefined, page: number) => {
    const query = new URLSearchParams({
      limit: '1',
      page: String(page),
      ...(symbol === undefined ? {} : { symbol }),
    })
    return get(`/api/financial_data?${query.toString()}`, barsSchema)
  }
  return {
    url,
    runs: async () => (await get('/api/ingest?limit=20', pageSchema(runSchema))).data,
    run: async (id) => (await get(`/api/ingest/${id}`, z.object({ data: runSchema }))).data,
    async items(runId, { limit, state }) {
      const query = new URLSearchParams({ limit: String(limit), ...(state === undefined ? {} : { state }) })
      return (await get(`/api/ingest/${runId}/items?${query.toString()}`, pageSchema(itemSchema))).data
    },
    async stored(symbol) {
      if (symbol === undefined) {
        const [any] = (await bars(undefined, 1)).data
        return any === undefined ? undefined : this.stored(any.symbol)
      }
      const first = await bars(symbol, 1)
      const rows = first.pagination.count
      const [oldest] = first.data
      const [newest] = rows > 1 ? (await bars(symbol, rows)).data : first.data
      if (oldest === undefined || newest === undefined) return undefined
      return { symbol, rows, firstDate: oldest.date, lastDate: newest.date }
    },
  }
}
