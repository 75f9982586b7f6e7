import { describe, expect, test } from 'vitest'
import { bar, january, problemOf, store, useApp } from './app.js'

const JANUARY = 'start_date=2023-01-01&end_date=2023-01-31'

describe('statistics', () => {
  const context = useApp()
  const get = (url: string) => context.app.inject(url)

  test('are the averages of the range, as JSON numbers', async () => {
    await store(context.db, 'IBM', [...january(), bar('2023-02-01', '999', '999')])
    const answer = await get(`/statistics?${JANUARY}&symbol=IBM`)
    expect(answer.statusCode).toBe(200)
    expect(answer.body).toBe(
      '{"data":{"start_date":"2023-01-01","end_date":"2023-01-31","symbol":"IBM","average_daily_open_price":117.15,"average_daily_close_price":117.15,"average_daily_volume":4000017},"info":{"error":""}}',
    )
    expect((await get(`/api/statistics?${JANUARY}&symbol=ibm`)).body).toBe(answer.body)
  })

  test('round half up: prices to four decimals, the volume to an integer', async () => {
    await store(context.db, 'IBM', [
      { date: '2023-01-03', open: '1.0001', high: '2', low: '1', close: '1.0000', volume: '1' },
      { date: '2023-01-04', open: '1.0002', high: '2', low: '1', close: '1.0001', volume: '2' },
    ])
    const answer = await get(`/api/statistics?${JANUARY}&symbol=IBM`)
    expect(answer.json()).toMatchObject({
      data: { average_daily_open_price: 1.0002, average_daily_close_price: 1.0001, average_daily_volume: 2 },
    })
  })

  test('are nulls for a known symbol without days in the range', async () => {
    await store(context.db, 'IBM', january())
    const answer = await get('/api/statistics?symbol=IBM&start_date=2022-01-01&end_date=2022-01-31')
    expect(answer.statusCode).toBe(200)
    expect(answer.json()).toStrictEqual({
      data: {
        start_date: '2022-01-01',
        end_date: '2022-01-31',
        symbol: 'IBM',
        average_daily_open_price: null,
        average_daily_close_price: null,
        average_daily_volume: null,
      },
      info: { error: '' },
    })
  })

  test('are a list when symbols was given, in its order, each symbol once', async () => {
    await store(context.db, 'IBM', january())
    await store(context.db, 'AAPL', january())
    const answer = await get(`/api/statistics?${JANUARY}&symbols=ibm,%20AAPL,IBM`)
    expect(answer.json()).toMatchObject({ data: [{ symbol: 'IBM' }, { symbol: 'AAPL' }] })
    const one = await get(`/api/statistics?${JANUARY}&symbols=IBM`)
    expect(one.json()).toMatchObject({ data: [{ symbol: 'IBM', average_daily_open_price: 117.15 }] })
  })

  test('of an unknown symbol are 404, and name it', async () => {
    await store(context.db, 'IBM', january())
    expect(problemOf(await get(`/api/statistics?${JANUARY}&symbol=NOSUCH`), 404).detail).toContain('NOSUCH')
    const problem = problemOf(await get(`/api/statistics?${JANUARY}&symbols=IBM,NOSUCH,NONE`), 404)
    expect(problem.errors.map((error) => error.detail)).toStrictEqual([
      'Nothing is stored for NOSUCH.',
      'Nothing is stored for NONE.',
    ])
  })

  test('of a symbol that was asked for and never came are 404', async () => {
    await context.app.inject({ method: 'POST', url: '/api/ingest', payload: { symbols: ['NOSUCH'] } })
    expect(problemOf(await get(`/api/statistics?${JANUARY}&symbol=NOSUCH`), 404).status).toBe(404)
  })
})

describe('statistics are refused for', () => {
  const shared = useApp({ shared: true })
  test.each([
    ['no parameter', '', '/query/start_date'],
    ['no symbol', `?${JANUARY}`, '/query/symbol'],
    ['an empty symbol', `?${JANUARY}&symbol=`, '/query/symbol'],
    ['no start', '?symbol=IBM&end_date=2023-01-31', '/query/start_date'],
    ['no end', '?symbol=IBM&start_date=2023-01-31', '/query/end_date'],
    ['start after end', '?symbol=IBM&start_date=2023-02-01&end_date=2023-01-31', '/query/start_date'],
    ['both symbol and symbols', `?${JANUARY}&symbol=IBM&symbols=AAPL`, '/query/symbol'],
    ['an empty entry of symbols', `?${JANUARY}&symbols=IBM,,AAPL`, '/query/symbols/1'],
    ['symbols twice', `?${JANUARY}&symbols=IBM&symbols=AAPL`, '/query/symbols'],
    [
      'over 100 symbols',
      `?${JANUARY}&symbols=${Array.from({ length: 101 }, (_, i) => `S${i}`).join(',')}`,
      '/query/symbols',
    ],
    ['an unknown parameter', `?${JANUARY}&symbol=IBM&limit=5`, '/query'],
  ])('%s', async (_what, query, pointer) => {
    const problem = problemOf(await shared.app.inject(`/api/statistics${query}`), 400)
    expect(problem.errors.map((error) => error.pointer)).toContain(pointer)
  })
})
