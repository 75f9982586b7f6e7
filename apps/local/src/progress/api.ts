import { readFile } from 'node:fs/promises'
import { checkAnswers, createClient } from '@stockpile/client'
import type { components } from '@stockpile/client'

type Schemas = components['schemas']

// Statuses, states, outcomes and what is waited for are any text: a value of a newer API must not end the display.

/** What the display reads of a run, with its instants as dates. */
export interface Run extends Pick<Schemas['Run'], 'id' | 'counts' | 'rows'> {
  status: string
  requested_at: Date
  finished_at: Date | null
  estimated_completion_at: Date | null
  waiting: { for: string; reason: string; until: Date | null } | null
  warnings: { detail: string }[]
}

export type ItemState = Schemas['Item']['state']

/** What the display reads of an item, with its instant as a date. */
export interface Item extends Pick<Schemas['Item'], 'id' | 'symbol' | 'history_limited' | 'rows'> {
  state: string
  outcome: string | null
  waiting_for: string | null
  next_attempt_at: Date | null
  error: { detail: string; advice: string } | null
}

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
  items(runId: string, options: { limit: number; state?: ItemState }): Promise<Item[]>
  /** Of this symbol, or of the first one in the order of the alphabet; undefined when nothing is stored. */
  stored(symbol?: string): Promise<Stored | undefined>
}

const DEADLINE_MS = 5_000
const DOCUMENT = new URL(import.meta.resolve('@stockpile/api/openapi.json'))

/** Asks the API as any client would, over HTTP. Each call rejects unless the API answers as documented within 5 s. */
export async function createApi(url: string): Promise<Api> {
  const client = createClient(url)
  client.use(checkAnswers(JSON.parse(await readFile(DOCUMENT, 'utf8'))))
  // Not aborted when the process stops: an API whose request was aborted takes longer to close than the answer takes.
  const signal = () => AbortSignal.timeout(DEADLINE_MS)

  const bars = async (symbol: string | undefined, page: number) => {
    const query = { limit: 1, page, ...(symbol === undefined ? {} : { symbol }) }
    return dataOf(await client.GET('/api/financial_data', { params: { query }, signal: signal() }))
  }
  const storedOf = async (symbol: string): Promise<Stored | undefined> => {
    const first = await bars(symbol, 1)
    const rows = first.pagination.count ?? 0
    const last = rows > 1 ? await bars(symbol, rows) : first
    const [firstDate, lastDate] = [first.data[0]?.date, last.data[0]?.date]
    return firstDate === undefined || lastDate === undefined
      ? undefined
      : { symbol, rows, firstDate, lastDate }
  }
  return {
    url,
    async runs() {
      const query = { limit: 20 }
      const page = dataOf(await client.GET('/api/ingest', { params: { query }, signal: signal() }))
      return page.data.map(runOf)
    },
    async run(id) {
      const path = { id }
      return runOf(dataOf(await client.GET('/api/ingest/{id}', { params: { path }, signal: signal() })).data)
    },
    async items(id, query) {
      const params = { path: { id }, query }
      const page = dataOf(await client.GET('/api/ingest/{id}/items', { params, signal: signal() }))
      return page.data.map(itemOf)
    },
    async stored(symbol) {
      const known = symbol ?? (await bars(undefined, 1)).data[0]?.symbol
      return known === undefined ? undefined : storedOf(known)
    },
  }
}

function runOf({ id, status, counts, rows, waiting, warnings, ...run }: Schemas['Run']): Run {
  return {
    id,
    status,
    requested_at: new Date(run.requested_at),
    finished_at: dateOf(run.finished_at),
    counts,
    rows,
    estimated_completion_at: dateOf(run.estimated_completion_at),
    waiting: waiting && { for: waiting.for, reason: waiting.reason, until: dateOf(waiting.until) },
    warnings: warnings.map(({ detail }) => ({ detail })),
  }
}

function itemOf({
  id,
  symbol,
  state,
  outcome,
  history_limited,
  rows,
  error,
  ...item
}: Schemas['Item']): Item {
  return {
    id,
    symbol,
    state,
    outcome,
    history_limited,
    waiting_for: item.waiting_for,
    next_attempt_at: dateOf(item.next_attempt_at),
    rows,
    error: error && { detail: error.detail, advice: error.advice },
  }
}

function dateOf(instant: string | null): Date | null {
  return instant === null ? null : new Date(instant)
}

/** @throws Error for an answer other than success */
function dataOf<Data>({ data, response }: { data?: Data; response: Response }): Data {
  if (data === undefined) throw new Error(`GET ${response.url} answered ${response.status}`)
  return data
}
