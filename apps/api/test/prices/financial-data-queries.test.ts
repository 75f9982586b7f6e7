import { beforeEach, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { encodeCursor } from '../../src/prices/cursor.js'
import { bar, january, problemOf, store, useApp } from '../app.js'

type Answer = Awaited<ReturnType<ReturnType<typeof useApp>['app']['inject']>>
const answerShape = z.object({
  data: z.array(z.object({ symbol: z.string(), date: z.string() })),
  pagination: z.record(z.string(), z.unknown()),
})

describe('what financial data can be asked for', () => {
  const context = useApp()
  const get = (query: string) => context.app.inject(`/api/financial_data${query}`)
  const keys = async (query: string) => {
    const { data } = answerShape.parse((await get(query)).json())
    return data.map(({ symbol, date }) => `${symbol} ${date.slice(-2)}`)
  }

  beforeEach(async () => {
    await store(context.db, 'B', [bar('2023-01-03', '1'), bar('2023-01-04', '2'), bar('2023-01-05', '3')])
    await store(context.db, 'A', [bar('2023-01-03', '1'), bar('2023-01-04', '2')])
    await store(context.db, 'C', [bar('2023-01-04', '7.1000', '9')])
  })

  test('several symbols, each once, by name and not as listed', async () => {
    expect(await keys('?symbols=C,%20a,NOSUCH,C')).toStrictEqual(['A 03', 'A 04', 'C 04'])
    expect((await get('?symbols=C,A,C&limit=1')).json()).toMatchObject({ pagination: { count: 3, pages: 3 } })
  })

  test('the reverse order, by symbol too', async () => {
    expect(await keys('?order=desc&limit=4')).toStrictEqual(['C 04', 'B 05', 'B 04', 'B 03'])
    expect(await keys('?order=desc&limit=4&page=2')).toStrictEqual(['A 04', 'A 03'])
    expect(await keys('?order=asc&limit=2')).toStrictEqual(await keys('?limit=2'))
  })

  test('some fields, in the order of the contract', async () => {
    const answer = await get('?symbol=C&fields=volume,date,close_price')
    expect(answer.body).toBe(
      '{"data":[{"date":"2023-01-04","close_price":"7.1000","volume":"9"}],"pagination":{"count":1,"page":1,"limit":5,"pages":1},"info":{"error":""}}',
    )
    const all = 'symbol,date,open_price,high_price,low_price,close_price,volume'
    expect((await get(`?fields=${all}`)).body).toBe((await get('')).body)
  })

  test('the newest bar of each symbol', async () => {
    expect(await keys('?latest=true')).toStrictEqual(['A 04', 'B 05', 'C 04'])
    expect(await keys('?latest=true&order=desc&limit=1&page=2')).toStrictEqual(['B 05'])
    expect((await get('?latest=true&symbols=B,A&limit=1')).json()).toMatchObject({
      data: [{ symbol: 'A', date: '2023-01-04' }],
      pagination: { count: 2, pages: 2 },
    })
    expect(await keys('?latest=false')).toStrictEqual(await keys(''))
  })

  test('several symbols as they were stored at an instant', async () => {
    const [row] = await context.db.execute<{ now: string }>('SELECT clock_timestamp()::text AS now')
    const then = new Date(row?.now ?? '').toISOString()
    await store(context.db, 'A', [bar('2023-01-04', '5')])
    await store(context.db, 'B', [bar('2023-01-06', '4')])
    // PostgreSQL's instants have microseconds: now in milliseconds is before the rows that were stored in this millisecond.
    const later = new Date(Date.parse(then) + 1).toISOString()
    const before = await get(`?symbols=A,B&as_of=${later}`)
    expect(before.json()).toMatchObject({
      data: [{ symbol: 'A' }, { date: '2023-01-04', close_price: '2' }, {}, {}, { date: '2023-01-05' }],
      pagination: { count: 5 },
    })
  })

  test.each(['', '&symbols=A,B,C', '&symbol=B', '&order=desc', '&start_date=2023-01-04', '&latest=true'])(
    'all rows by the links from each page to the next: %s',
    async (filter) => {
      const whole = await keys(`?limit=1000${filter}`)
      const [first, ...others] = await walk(`/api/financial_data?limit=1&fields=symbol,date${filter}`)
      expect([first, ...others].flatMap((page) => page?.keys ?? [])).toStrictEqual(whole)
      expect(first?.pagination).toMatchObject({ count: whole.length, page: 1, limit: 1 })
      expect(others.map(({ pagination }) => pagination)).toStrictEqual(
        others.map(({ next }) => ({ limit: 1, next_cursor: next })),
      )
    },
  )

  /** Reads all rows by following the link of each page. */
  async function walk(from: string) {
    const pages: { keys: string[]; pagination: unknown; next: string | null }[] = []
    for (let url: string | undefined = from; url !== undefined;) {
      const answer: Answer = await context.app.inject(url)
      const { data, pagination } = answerShape.parse(answer.json())
      url = /^<([^>]*)>; rel="next"$/.exec(String(answer.headers['link'] ?? ''))?.[1]
      const next = url === undefined ? null : new URL(url, 'http://localhost').searchParams.get('cursor')
      pages.push({ keys: data.map(({ symbol, date }) => `${symbol} ${date.slice(-2)}`), pagination, next })
    }
    return pages
  }

  test('the rows after a cursor, though others came before it', async () => {
    const link = String((await get('?limit=2&symbols=A,B')).headers['link'])
    await store(context.db, 'A', january())
    const [, url = ''] = /^<([^>]*)>/.exec(link) ?? []
    expect(url).toContain('symbols=A%2CB')
    const { data } = answerShape.parse((await context.app.inject(url)).json())
    expect(data[0]).toMatchObject({ symbol: 'A', date: '2023-01-05' })
    expect(data[1]).toMatchObject({ symbol: 'A', date: '2023-01-06' })
  })

  test('a page from any other way of writing the same request by its cursor', async () => {
    const cursor = encodeCursor({ symbol: 'B', date: '2023-01-03' }, { symbols: ['A', 'B'] })
    expect(await keys(`?symbols=B,A,b&size=1&order=asc&latest=false&cursor=${cursor}`)).toStrictEqual([
      'B 04',
    ])
    const ofOne = encodeCursor({ symbol: 'B', date: '2023-01-03' }, { symbols: ['B'] })
    expect(await keys(`?symbols=B&cursor=${ofOne}`)).toStrictEqual(await keys(`?symbol=B&cursor=${ofOne}`))
  })

  test('no link at the end or past it', async () => {
    for (const query of ['?limit=6', '?page=2', '?page=9', '?symbol=NOSUCH']) {
      const { headers } = await get(query)
      expect(headers['link']).toBeUndefined()
    }
  })

  test('a link without the prefix for who asks without it', async () => {
    const { headers } = await context.app.inject('/financial_data?limit=1&page=1')
    expect(headers['link']).toMatch(/^<\/financial_data\?limit=1&cursor=[\w-]+>; rel="next"$/)
  })
})

describe('financial data is refused for', () => {
  const context = useApp({ shared: true })
  const cursor = encodeCursor({ symbol: 'IBM', date: '2023-01-03' }, { symbols: ['IBM'] })
  const forged = (content: unknown) => Buffer.from(JSON.stringify(content)).toString('base64url')
  const noDate = encodeCursor({ symbol: 'IBM', date: '2023-02-30' }, { symbols: ['IBM'] })
  const noSymbol = encodeCursor({ symbol: "'\0", date: '2023-01-03' }, { symbols: ['IBM'] })

  test.each([
    ['symbol and symbols', 'symbol=IBM&symbols=AAPL', 'symbols'],
    ['symbols without one', 'symbols=', 'symbols/0'],
    ['an empty entry of symbols', 'symbols=IBM,,AAPL', 'symbols/1'],
    ['symbols twice', 'symbols=IBM&symbols=AAPL', 'symbols'],
    ['101 symbols', `symbols=${Array.from({ length: 101 }, (_, index) => `S${index}`).join(',')}`, 'symbols'],
    ['an order that is none', 'order=up', 'order'],
    ['an order in capitals', 'order=DESC', 'order'],
    ['two orders', 'order=asc&order=desc', 'order'],
    ['fields without one', 'fields=', 'fields/0'],
    ['an unknown field', 'fields=date,adjusted_close', 'fields/1'],
    ['a field of the prototype', 'fields=__proto__', 'fields/0'],
    ['a repeated field', 'fields=date,date', 'fields'],
    ['a list of fields twice', 'fields=date&fields=volume', 'fields'],
    ['latest that is neither true nor false', 'latest=1', 'latest'],
    ['latest without a value', 'latest=', 'latest'],
    ['latest with start_date', 'latest=true&start_date=2023-01-01', 'latest'],
    ['latest with end_date', 'latest=true&end_date=2023-01-01', 'latest'],
    ['latest with as_of', 'latest=true&symbol=IBM&as_of=2023-01-01T00:00:00Z', 'latest'],
    ['as_of without a symbol', 'as_of=2023-01-01T00:00:00Z', 'as_of'],
    ['cursor and page', `symbol=IBM&page=1&cursor=${cursor}`, 'cursor'],
    ['two cursors', `symbol=IBM&cursor=${cursor}&cursor=${cursor}`, 'cursor'],
    ['an empty cursor', 'cursor=', 'cursor'],
    ['a cursor of other characters', 'cursor=a%00b', 'cursor'],
    ['a cursor that is too long', `cursor=${'A'.repeat(201)}`, 'cursor'],
    ['a cursor that is no JSON', 'cursor=AAAA', 'cursor'],
    ['a cursor of something else', `cursor=${forged({ symbol: 'IBM' })}`, 'cursor'],
    ['a forged cursor', `symbol=IBM&cursor=${forged(['IBM', '2023-01-03', 1])}`, 'cursor'],
    ['a cursor of no day of the calendar', `symbol=IBM&cursor=${noDate}`, 'cursor'],
    ['a cursor of no symbol', `symbol=IBM&cursor=${noSymbol}`, 'cursor'],
    ['a truncated cursor', `symbol=IBM&cursor=${cursor.slice(0, -1)}`, 'cursor'],
    ['a cursor with something behind it', `symbol=IBM&cursor=${cursor}A`, 'cursor'],
    ["another symbol's cursor", `symbol=AAPL&cursor=${cursor}`, 'cursor'],
    ["another range's cursor", `symbol=IBM&start_date=2023-01-01&cursor=${cursor}`, 'cursor'],
    ["another order's cursor", `symbol=IBM&order=desc&cursor=${cursor}`, 'cursor'],
    ['the cursor of all bars for the newest ones', `symbol=IBM&latest=true&cursor=${cursor}`, 'cursor'],
    ['a cursor without its filter', `cursor=${cursor}`, 'cursor'],
  ])('%s', async (_what, query, pointer) => {
    const problem = problemOf(await context.app.inject(`/api/financial_data?${query}`), 400)
    expect(problem.errors.map((error) => error.pointer)).toStrictEqual([`/query/${pointer}`])
  })
})
