import { describe, expect, test } from 'vitest'
import * as z from 'zod'
import { bar, january, problemOf, store, useApp } from '../app.js'

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
      info: {
        error: '',
        stored: [{ symbol: 'IBM', first_date: '2023-01-03', last_date: '2023-01-31' }],
      },
    })
  })

  test('say what is stored of each symbol without days in the range, a hole in it and periods included', async () => {
    await store(context.db, 'IBM', january())
    await store(context.db, 'AAPL', [bar('2023-01-05', '1.0000'), bar('2023-03-01', '1.0000')])
    const aapl = { symbol: 'AAPL', first_date: '2023-01-05', last_date: '2023-03-01' }
    const ibm = { symbol: 'IBM', first_date: '2023-01-03', last_date: '2023-01-31' }
    const februaryOf = 'start_date=2023-02-01&end_date=2023-02-28&symbols=IBM,AAPL'
    for (const more of ['', '&fields=total_volume', '&fields=all', '&group_by=month'])
      expect((await get(`/api/statistics?${februaryOf}${more}`)).json()).toMatchObject({
        info: { error: '', stored: [ibm, aapl] },
      })
    const march = 'start_date=2023-03-01&end_date=2023-03-31&symbols=IBM,AAPL'
    for (const more of ['', '&group_by=year'])
      expect((await get(`/api/statistics?${march}${more}`)).json()).toMatchObject({ info: { stored: [ibm] } })
    expect((await get(`/api/statistics?${JANUARY}&symbols=IBM,AAPL`)).json()).toHaveProperty('info', {
      error: '',
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

  test('have the fields asked for alone, exact ones as strings', async () => {
    await store(context.db, 'IBM', january())
    const answer = await get(`/api/statistics?${JANUARY}&symbol=IBM&fields=total_volume,last_close_price`)
    expect(answer.body).toBe(
      '{"data":{"start_date":"2023-01-01","end_date":"2023-01-31","symbol":"IBM","last_close_price":"131.5000","total_volume":"80000333"},"info":{"error":""}}',
    )
    expect((await get(`/api/statistics?${JANUARY}&symbol=IBM&fields=all`)).json()).toStrictEqual({
      data: {
        start_date: '2023-01-01',
        end_date: '2023-01-31',
        symbol: 'IBM',
        average_daily_open_price: 117.15,
        average_daily_close_price: 117.15,
        average_daily_volume: 4_000_017,
        number_of_days: 20,
        first_date: '2023-01-03',
        last_date: '2023-01-31',
        first_open_price: '103.5000',
        last_close_price: '131.5000',
        lowest_low_price: '103.5000',
        highest_high_price: '131.5000',
        total_volume: '80000333',
        close_price_standard_deviation: 8.9635,
        volume_weighted_average_price: 117.15,
      },
      info: { error: '' },
    })
  })

  test('of a range too short for them are nulls, and what can be counted is 0', async () => {
    await store(context.db, 'IBM', january())
    const none = await get('/api/statistics?symbol=IBM&start_date=2022-01-01&end_date=2022-01-31&fields=all')
    expect(none.json()).toMatchObject({
      data: {
        number_of_days: 0,
        first_date: null,
        first_open_price: null,
        highest_high_price: null,
        total_volume: '0',
        close_price_standard_deviation: null,
        volume_weighted_average_price: null,
      },
    })
    const one = await get('/api/statistics?symbol=IBM&start_date=2023-01-03&end_date=2023-01-03&fields=all')
    expect(one.json()).toMatchObject({
      data: {
        number_of_days: 1,
        close_price_standard_deviation: null,
        volume_weighted_average_price: 103.5,
      },
    })
  })

  test('come by period as a list, also of one symbol', async () => {
    await store(context.db, 'IBM', [...january(), bar('2023-04-03', '1.5', '7')])
    const range = 'start_date=2023-01-10&end_date=2023-06-30'
    const answer = await get(
      `/api/statistics?${range}&symbol=IBM&group_by=quarter&fields=number_of_days,total_volume`,
    )
    expect(answer.body).toBe(
      '{"data":[{"start_date":"2023-01-10","end_date":"2023-03-31","symbol":"IBM","period":"2023-Q1","number_of_days":15,"total_volume":"60000306"},' +
        '{"start_date":"2023-04-01","end_date":"2023-06-30","symbol":"IBM","period":"2023-Q2","number_of_days":1,"total_volume":"7"}],"info":{"error":""}}',
    )
    const months = await get(`/api/statistics?${range}&symbols=IBM&group_by=month`)
    expect(months.json()).toMatchObject({
      data: [
        { period: '2023-01', average_daily_volume: 4_000_020 },
        { period: '2023-04', average_daily_open_price: 1.5 },
      ],
    })
    const empty = await get(
      '/api/statistics?symbol=IBM&start_date=2022-01-01&end_date=2022-01-31&group_by=year',
    )
    const stored = [{ symbol: 'IBM', first_date: '2023-01-03', last_date: '2023-04-03' }]
    expect(empty.json()).toStrictEqual({ data: [], info: { error: '', stored } })
  })

  test('by period are 5,000 entries at most: more are refused, and what to do is said', async () => {
    await context.db.execute(
      `INSERT INTO financial_data SELECT 'OLD', make_date(1000 + month / 12, 1 + month % 12, 1), 1, 1, 1, 1, 1 FROM generate_series(1, 5001) AS month`,
    )
    const url = '/api/statistics?symbol=OLD&start_date=1000-01-01&group_by=month&end_date='
    expect(problemOf(await get(`${url}2000-01-01`), 400).errors).toMatchObject([
      { pointer: '/query/group_by', code: 'too_many_entries' },
    ])
    const allowed = z.object({ data: z.array(z.unknown()) }).parse((await get(`${url}1416-09-01`)).json())
    expect(allowed.data).toHaveLength(5_000)
  })

  test('of an unknown symbol are 404, and name it', async () => {
    await store(context.db, 'IBM', january())
    expect(problemOf(await get(`/api/statistics?${JANUARY}&symbol=NOSUCH`), 404).detail).toContain('NOSUCH')
    const problem = problemOf(await get(`/api/statistics?${JANUARY}&symbols=IBM,NOSUCH,NONE`), 404)
    expect(problem.info.unknown_symbols).toStrictEqual(['NOSUCH', 'NONE'])
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
    ['a field that there is not', `?${JANUARY}&symbol=IBM&fields=median`, '/query/fields'],
    ['an empty field', `?${JANUARY}&symbol=IBM&fields=total_volume,`, '/query/fields'],
    ['no fields', `?${JANUARY}&symbol=IBM&fields=`, '/query/fields'],
    ['a field twice', `?${JANUARY}&symbol=IBM&fields=total_volume,total_volume`, '/query/fields'],
    ['fields twice', `?${JANUARY}&symbol=IBM&fields=all&fields=all`, '/query/fields'],
    ['all beside a field', `?${JANUARY}&symbol=IBM&fields=all,total_volume`, '/query/fields'],
    ['a field of the prototype', `?${JANUARY}&symbol=IBM&fields=constructor`, '/query/fields'],
    ['another period', `?${JANUARY}&symbol=IBM&group_by=week`, '/query/group_by'],
    ['no period', `?${JANUARY}&symbol=IBM&group_by=`, '/query/group_by'],
    ['two periods', `?${JANUARY}&symbol=IBM&group_by=month&group_by=year`, '/query/group_by'],
    ['an unknown parameter', `?${JANUARY}&symbol=IBM&limit=5`, '/query'],
  ])('%s', async (_what, query, pointer) => {
    const problem = problemOf(await shared.app.inject(`/api/statistics${query}`), 400)
    expect(problem.errors.map((error) => error.pointer)).toContain(pointer)
  })

  test('want both dates, and say so of one that is missing', async () => {
    for (const [given, missing] of [
      ['start_date=2023-01-01', 'end_date'],
      ['end_date=2023-01-01', 'start_date'],
    ] as const) {
      const { detail } = problemOf(await shared.app.inject(`/api/statistics?symbol=IBM&${given}`), 400)
      expect(detail).toContain(`${missing} is required`)
    }
    const { errors } = problemOf(await shared.app.inject('/api/statistics?symbol=IBM'), 400)
    expect(errors.map(({ pointer }) => pointer)).toStrictEqual(['/query/start_date', '/query/end_date'])
    const wrong = problemOf(
      await shared.app.inject(`/api/statistics?symbol=IBM&start_date=1&end_date=2023-01-01`),
      400,
    )
    expect(wrong.detail).not.toContain('required')
  })
})
