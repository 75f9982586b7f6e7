import { describe, expect, test } from 'vitest'
import { bar, january, problemOf, store, useApp } from '../app.js'

describe('a page of financial data', () => {
  const context = useApp()
  const get = (url: string) => context.app.inject(url)

  test('has the bars of the range in order, digit for digit, and counts them all', async () => {
    await store(context.db, 'IBM', january())
    const answer = await get(
      '/api/financial_data?start_date=2023-01-01&end_date=2023-01-14&symbol=IBM&limit=3&page=2',
    )
    expect(answer.statusCode).toBe(200)
    expect(answer.body).toBe(
      `{"data":[${row('06')},${row('09')},${row('10')}],"pagination":{"count":9,"page":2,"limit":3,"pages":3},"info":{"error":""}}`,
    )
  })

  test('answers without the prefix too, and takes size for limit', async () => {
    await store(context.db, 'AAPL', [
      bar('2022-11-10', '1.1'),
      bar('2022-11-11', '149.7000', '93979665'),
      bar('2022-11-15', '150.04'),
      bar('2022-11-16', '1.2'),
    ])
    const query = '?size=10&symbol=AAPL&start_date=2022-11-11&end_date=2022-11-15'
    const answer = await get(`/financial_data${query}`)
    expect(answer.body).toBe(
      '{"data":[{"symbol":"AAPL","date":"2022-11-11","open_price":"149.7000","high_price":"149.7000","low_price":"149.7000","close_price":"149.7000","volume":"93979665"},' +
        '{"symbol":"AAPL","date":"2022-11-15","open_price":"150.04","high_price":"150.04","low_price":"150.04","close_price":"150.04","volume":"1000"}],' +
        '"pagination":{"count":2,"page":1,"limit":10,"pages":1},"info":{"error":""}}',
    )
    expect((await get(`/api/financial_data${query}`)).body).toBe(answer.body)
  })

  test('has five bars unless asked otherwise, by symbol bytewise, then date', async () => {
    await store(context.db, 'B', [bar('2023-01-04', '1'), bar('2023-01-03', '1')])
    await store(context.db, 'A.B', [bar('2023-01-03', '1')])
    await store(context.db, 'A-B', january())
    await store(context.db, 'AB', [bar('2023-01-03', '1')])
    const last = await get('/api/financial_data?page=5')
    expect(last.json()).toMatchObject({
      data: [
        { symbol: 'A.B', date: '2023-01-03' },
        { symbol: 'AB', date: '2023-01-03' },
        { symbol: 'B', date: '2023-01-03' },
        { symbol: 'B', date: '2023-01-04' },
      ],
      pagination: { count: 24, page: 5, limit: 5, pages: 5 },
    })
  })

  test('finds a symbol whatever its case and the spaces around it', async () => {
    await store(context.db, 'NYCB- PR-U', [bar('2023-01-03', '1')])
    const answer = await get('/api/financial_data?symbol=%20nycb-%20pr-u%20')
    expect(answer.json()).toMatchObject({ data: [{ symbol: 'NYCB- PR-U' }], pagination: { count: 1 } })
  })

  test('keeps a volume that JavaScript could not', async () => {
    await store(context.db, 'IBM', [bar('2023-01-03', '1', '9223372036854775807')])
    expect((await get('/api/financial_data')).json()).toMatchObject({
      data: [{ volume: '9223372036854775807' }],
    })
  })

  test.each([
    ['past the end', '?symbol=IBM&limit=1000&page=2', { count: 20, page: 2, limit: 1000, pages: 1 }],
    [
      'at the last page that there is',
      '?page=1000000000&limit=1000',
      { count: 20, page: 1e9, limit: 1000, pages: 1 },
    ],
    ['of an unknown symbol', '?symbol=NOSUCH', { count: 0, page: 1, limit: 5, pages: 0 }],
    ['of an SQL fragment', '?symbol=1%20OR%201=1', { count: 0, page: 1, limit: 5, pages: 0 }],
    [
      'of a range without days',
      '?start_date=2023-01-07&end_date=2023-01-08',
      { count: 0, page: 1, limit: 5, pages: 0 },
    ],
    [
      'of the ends of the calendar',
      '?start_date=0001-01-01&end_date=0001-01-01',
      { count: 0, page: 1, limit: 5, pages: 0 },
    ],
  ])('%s is empty', async (_what, query, pagination) => {
    await store(context.db, 'IBM', january())
    const answer = await get(`/api/financial_data${query}`)
    expect(answer.statusCode).toBe(200)
    expect(answer.json()).toMatchObject({ data: [], pagination, info: { error: '' } })
  })

  test('answers HEAD without a body', async () => {
    const answer = await context.app.inject({ method: 'HEAD', url: '/api/financial_data' })
    expect(answer.statusCode).toBe(200)
    expect(answer.headers['content-length']).toBe('85')
    expect(answer.body).toBe('')
  })
})

describe('a page of financial data is refused for', () => {
  const context = useApp({ shared: true })
  const get = (url: string) => context.app.inject(url)

  const numbers = [
    '',
    '0',
    '-1',
    '+1',
    '01',
    '1.5',
    '1e2',
    '0x10',
    '%205%20',
    '5%20',
    'Infinity',
    'NaN',
    '1e400',
  ]
  const odd = [...numbers, '%D9%A5', 'null', '99999999999999999999', '%00', '%E0%A4%A']
  test.each([...odd, '1001'])('limit=%s', async (value) => {
    const problem = problemOf(await get(`/api/financial_data?limit=${value}`), 400)
    expect(problem.errors.map((error) => error.pointer)).toStrictEqual(['/query/limit'])
    expect(problem.detail).toContain('1 to 1000')
  })
  test.each([...odd, '1000000001'])('page=%s', async (value) => {
    expect(problemOf(await get(`/api/financial_data?page=${value}`), 400).errors[0]?.pointer).toBe(
      '/query/page',
    )
  })
  test.each([...odd, '1001'])('size=%s', async (value) => {
    expect(problemOf(await get(`/api/financial_data?size=${value}`), 400).errors[0]?.pointer).toBe(
      '/query/size',
    )
  })

  const dates = [
    '',
    '2024-02-30',
    '2023-02-29',
    '0000-01-01',
    '10000-01-01',
    '2023-1-1',
    '20230101',
    '2023-13-01',
  ]
  test.each([
    ...dates,
    '2023-01-01T00:00:00Z',
    '%202023-01-01',
    '2023-01-01%00',
    '-2023-01-01',
    'today',
    '%E0%A4%A',
  ])('start_date=%s', async (value) => {
    const problem = problemOf(await get(`/api/financial_data?start_date=${value}`), 400)
    expect(problem.errors).toMatchObject([{ pointer: '/query/start_date' }])
    expect(
      problemOf(await get(`/statistics?symbol=IBM&start_date=2023-01-01&end_date=${value}`), 400),
    ).toBeDefined()
  })

  const symbols = [
    '',
    '%20',
    '%00',
    'IBM%00',
    'IBM%0A',
    '%09IBM',
    "'",
    '%22',
    '%5C',
    'A,B',
    'A;B',
    '%3C',
    '%3E',
    '%25',
    '%E0%A4%A',
  ]
  test.each([...symbols, 'A'.repeat(33), '%C3%9F', '%C4%B1bm', "x'%20OR%20'1'='1", '%C2%A0IBM'])(
    'symbol=%s',
    async (value) => {
      const problem = problemOf(await get(`/api/financial_data?symbol=${value}`), 400)
      expect(problem.errors).toMatchObject([{ pointer: '/query/symbol' }])
    },
  )

  test.each([
    ['start after end', '?start_date=2023-01-02&end_date=2023-01-01', '/query/start_date'],
    ['limit together with size', '?limit=5&size=5', '/query/size'],
    ['limit twice', '?limit=5&limit=5', '/query/limit'],
    ['page twice', '?page=1&page=1', '/query/page'],
    ['a symbol twice', '?symbol=IBM&symbol=AAPL', '/query/symbol'],
    ['a date twice', '?end_date=2023-01-01&end_date=2023-01-02', '/query/end_date'],
    ['an unknown parameter', '?offset=5', '/query'],
    ['a nested parameter', '?limit[]=5', '/query'],
    ['a parameter of the prototype', '?__proto__=5', '/query'],
    ['a parameter in capitals', '?LIMIT=5', '/query'],
  ])('%s', async (_what, query, pointer) => {
    expect(problemOf(await get(`/api/financial_data${query}`), 400).errors[0]?.pointer).toBe(pointer)
  })

  test('an unknown parameter by naming the known ones, not the one sent', async () => {
    const problem = problemOf(await get('/api/financial_data?canary=1'), 400)
    expect(problem.detail).toContain(
      'symbol, symbols, start_date, end_date, latest, as_of, order, fields, limit, size, page, cursor',
    )
    expect(JSON.stringify(problem)).not.toContain('canary')
  })
})

function row(day: string): string {
  return `{"symbol":"IBM","date":"2023-01-${day}","open_price":"1${day}.5000","high_price":"1${day}.5000","low_price":"1${day}.5000","close_price":"1${day}.5000","volume":"40000${day}"}`
}
