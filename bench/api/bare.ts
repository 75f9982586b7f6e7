import Fastify from 'fastify'
import postgres from 'postgres'
import { averages, latest, pageOfAll, pageOfRange, pageOfSymbol } from './bare-sql.js'
import type { Counted, Page } from './bare-sql.js'

// A process forked by servers.ts, with which our API is compared: it gives equal answers to equal requests, and has no
// validation, no log, no documents and no queue.
type Query = Record<string, string | undefined>

const [databaseUrl = ''] = process.argv.slice(2)
process.on('disconnect', () => process.exit())
const sql = postgres(databaseUrl, {
  // Our API has as many connections for these queries; on two cores more would only take turns.
  max: 4,
  fetch_types: false,
  // Days stay text in JavaScript, and parameters have the type date, or PostgreSQL would convert them for each row again.
  types: { date: { to: 1082, from: [1082], serialize: String, parse: String } },
  // Without this setting PostgreSQL plans some statements at each request, which takes longer than to run them.
  connection: { plan_cache_mode: 'force_generic_plan' },
})
const app = Fastify()
const INFO = { error: '' }

const text = { type: 'string' }
const integer = { type: 'integer' }
const object = (properties: Record<string, object>) => ({ type: 'object', properties })
const bar = object({
  symbol: text,
  date: text,
  open_price: text,
  high_price: text,
  low_price: text,
  close_price: text,
  volume: text,
})
const pageAnswer = object({
  data: { type: 'array', items: bar },
  pagination: object({ count: integer, page: integer, limit: integer, pages: integer }),
  info: object({ error: text }),
})

app.get<{ Querystring: Query }>(
  '/api/financial_data',
  { schema: { response: { 200: pageAnswer } } },
  async ({ query }) => {
    const page = Number(query['page'] ?? 1)
    const limit = Number(query['limit'] ?? 5)
    const { count, bars } = await select(query, { limit, offset: (page - 1) * limit })
    return { data: bars, pagination: { count, page, limit, pages: Math.ceil(count / limit) }, info: INFO }
  },
)

async function select(
  { symbol, start_date: start, end_date: end, latest: isLatest }: Query,
  page: Page,
): Promise<Counted> {
  if (isLatest === 'true') return latest(sql, page)
  const range = start === undefined || end === undefined ? null : { start, end }
  if (symbol !== undefined) return pageOfSymbol(sql, symbol, range, page)
  return range === null ? pageOfAll(sql, page) : pageOfRange(sql, range, page)
}

app.get<{ Querystring: Query }>('/api/statistics', async ({ query }) => {
  const { start_date: start = '', end_date: end = '', symbol, symbols = symbol ?? '' } = query
  const found = await averages(sql, symbols.split(','), { start, end })
  const data = found.map((one) => ({
    start_date: start,
    end_date: end,
    symbol: one.symbol,
    average_daily_open_price: one.open,
    average_daily_close_price: one.close,
    average_daily_volume: one.volume,
  }))
  return { data: symbol === undefined ? data : data[0], info: INFO }
})

process.send?.({ url: await app.listen({ host: '127.0.0.1', port: 0 }) })
