import { describe, expect, test } from 'vitest'
import { january, store, useApp } from '../app.js'

describe('a symbol that nothing is stored of', () => {
  const context = useApp()
  const get = (query: string) => context.app.inject(`/api/financial_data?${query}`)

  test('is told apart from a range without rows, on a page of any kind', async () => {
    await store(context.db, 'IBM', january())
    for (const page of ['', '&page=7', '&start_date=2023-01-05', '&latest=true']) {
      const unknown = await get(`symbol=NOSUCH${page}`)
      expect([unknown.statusCode, unknown.json()]).toMatchObject([
        200,
        { data: [], info: { error: '', unknown_symbols: ['NOSUCH'] } },
      ])
    }
    for (const query of ['symbol=IBM', ''])
      expect((await get(query)).json()).toHaveProperty('info', { error: '' })
    const stored = [{ symbol: 'IBM', first_date: '2023-01-03', last_date: '2023-01-31' }]
    for (const range of ['start_date=1999-01-01&end_date=1999-01-02', 'as_of=1999-01-01T00:00:00Z']) {
      expect((await get(`symbol=IBM&${range}`)).json()).toHaveProperty('info', { error: '', stored })
      expect((await get(`symbols=IBM,NOSUCH&${range}`)).json()).toHaveProperty('info', {
        error: '',
        unknown_symbols: ['NOSUCH'],
        stored,
      })
    }
    expect((await get('symbol=IBM&page=99')).json()).toStrictEqual({
      data: [],
      pagination: { count: 20, page: 99, limit: 5, pages: 4 },
      info: { error: '' },
    })
  })

  test('is named in the same way by every route that takes symbols, where it answers nothing of them', async () => {
    await store(context.db, 'IBM', january())
    const routes = {
      'financial_data?': 200,
      'statistics?start_date=2023-01-01&end_date=2023-01-31&': 404,
      'failures?': 200,
      'failures?group_by=class&': 200,
      'rejected_rows?': 200,
    }
    const addresses = Object.entries(routes).map(
      ([route, status]) => [`/api/${route}symbol=`, '', status] as const,
    )
    for (const [before, after, status] of [...addresses, ['/api/symbols/', '/revisions', 200] as const]) {
      const unknown = await context.app.inject(`${before}NOSUCH${after}`)
      expect([before, unknown.statusCode, unknown.json()]).toMatchObject([
        before,
        status,
        { info: { unknown_symbols: ['NOSUCH'] } },
      ])
      expect((await context.app.inject(`${before}IBM${after}`)).json()).toHaveProperty('info', { error: '' })
    }
  })

  test('is named among those that are known, in the order asked', async () => {
    await store(context.db, 'IBM', january())
    expect((await get('symbols=ZZZ,IBM,AAA&limit=1')).json()).toMatchObject({
      data: [{ symbol: 'IBM' }],
      info: { error: '', unknown_symbols: ['ZZZ', 'AAA'] },
    })
  })

  test('is named in a header of CSV and NDJSON, with and without pages', async () => {
    await store(context.db, 'IBM', january())
    for (const query of ['format=csv', 'format=ndjson', 'format=csv&limit=2']) {
      expect((await get(`${query}&symbols=IBM,NOSUCH,A B`)).headers['x-unknown-symbols']).toBe('NOSUCH,A B')
      expect((await get(`${query}&symbol=IBM`)).headers).not.toHaveProperty('x-unknown-symbols')
    }
  })

  test('has another tag once it is known', async () => {
    const { headers } = await get('symbol=IBM')
    const again = () =>
      context.app.inject({
        url: '/api/financial_data?symbol=IBM',
        headers: { 'if-none-match': String(headers['etag']) },
      })
    expect((await again()).statusCode).toBe(304)
    await store(context.db, 'IBM', january())
    expect((await again()).json()).not.toMatchObject({ info: { unknown_symbols: ['IBM'] } })
  })
})
