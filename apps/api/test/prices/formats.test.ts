import { BAR_COLUMNS } from '@stockpile/domain/bar'
import { isSymbol, normaliseSymbol, SYMBOL_CHARACTERS } from '@stockpile/domain/symbol'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as z from 'zod'
import { dispositionOf } from '../../src/prices/text-format.js'
import { negotiateFormat } from '../../src/http/negotiation.js'
import { bar, january, problemOf, store, useApp } from '../app.js'
import { parseCsv } from './csv.js'

const rowsShape = z.object({ data: z.array(z.record(z.string(), z.string())) })

describe('the format of bars', () => {
  const context = useApp()
  const get = (url: string, headers: Record<string, string> = {}) => context.app.inject({ url, headers })

  test('is CSV or NDJSON by Accept and by format, of the whole result or of a page', async () => {
    await store(context.db, 'IBM', january())
    await store(context.db, '=A', [bar('2023-01-03', '1.50')])
    const head = 'symbol,date,open_price,high_price,low_price,close_price,volume\r\n'
    const odd = "'=A,2023-01-03,1.50,1.50,1.50,1.50,1000\r\n"
    const csv = await get('/api/financial_data?start_date=2023-01-03&end_date=2023-01-03', {
      accept: 'text/csv',
    })
    expect(csv.body).toBe(`${head}${odd}IBM,2023-01-03,103.5000,103.5000,103.5000,103.5000,4000003\r\n`)
    expect(csv.headers).toMatchObject({
      'content-type': 'text/csv; charset=utf-8; header=present',
      'content-disposition': 'attachment; filename="financial_data_2023-01-03_2023-01-03.csv"',
    })
    expect((await get('/financial_data?format=csv&limit=1', { accept: 'text/html' })).body).toBe(head + odd)

    const ndjson = await get('/api/financial_data?symbol=%3Da', { accept: 'application/x-ndjson' })
    expect(ndjson.body).toBe(
      '{"symbol":"=A","date":"2023-01-03","open_price":"1.50","high_price":"1.50","low_price":"1.50","close_price":"1.50","volume":"1000"}\n',
    )
    expect(ndjson.headers).toMatchObject({
      'content-type': 'application/x-ndjson; charset=utf-8',
      'content-disposition': 'attachment; filename="A.ndjson"',
    })
    expect((await get('/api/financial_data?symbol=%3Da&format=ndjson&size=5')).body).toBe(ndjson.body)
    expect((await get('/api/financial_data?format=json', { accept: 'text/csv' })).json()).toMatchObject({
      pagination: { count: 21 },
    })
  })

  test('has only its head where there are no bars', async () => {
    expect((await get('/api/financial_data?format=csv&symbol=NOSUCH')).body).toMatch(/^symbol,.*,volume\r\n$/)
    expect((await get('/api/financial_data?format=ndjson&symbol=NOSUCH')).body).toBe('')
    expect((await get('/api/financial_data?format=ndjson&page=2')).body).toBe('')
  })

  test('is the same from PostgreSQL and from a page, and of each as_of', async () => {
    await store(context.db, '+1', january())
    await store(context.db, '+1', [bar('2023-01-03', '7')])
    for (const format of ['csv', 'ndjson']) {
      for (const filter of ['', `&symbol=%2B1&as_of=${new Date().toISOString()}`, '&end_date=2023-01-10']) {
        const url = `/api/financial_data?format=${format}${filter}`
        expect((await get(url)).body).toBe((await get(`${url}&limit=100`)).body)
      }
    }
  })

  test('has the fields, the order and the symbols asked for, and goes on from page to page', async () => {
    for (const symbol of ['IBM', 'AAPL', '@X'])
      await store(context.db, symbol, [bar('2023-01-03', '1.5'), bar('2023-01-04', '2')])
    const body = async (query: string) => (await get(`/api/financial_data?format=csv&${query}`)).body
    const columns = 'fields=close_price,symbol'
    const rows = 'symbol,close_price\r\nIBM,2\r\nIBM,1.5\r\nAAPL,2\r\nAAPL,1.5\r\n'
    expect(await body(`${columns}&symbols=AAPL,IBM&order=desc`)).toBe(rows)
    expect(await body(`${columns}&symbols=AAPL,IBM&order=desc&limit=100`)).toBe(rows)
    expect(await body(`${columns}&latest=true`)).toBe("symbol,close_price\r\n'@X,2\r\nAAPL,2\r\nIBM,2\r\n")

    const whole = await body('order=desc')
    let url = '/api/financial_data?format=csv&order=desc&limit=4'
    let read = ''
    for (let pages = 0; url !== '' && pages < 5; pages += 1) {
      const page = await get(url)
      read += pages === 0 ? page.body : page.body.replace(/^.*\r\n/, '')
      expect((await get(url, { 'if-none-match': String(page.headers['etag']) })).statusCode).toBe(304)
      url = /<(.*)>; rel="next"/.exec(String(page.headers['link']))?.[1] ?? ''
    }
    expect(read).toBe(whole)
  })

  test('is one that Accept takes, or the answer is 406', async () => {
    for (const accept of [
      'text/html',
      'application/json;q=0',
      'image/*, text/plain',
      'text/csv;q=2',
      ';;;',
    ]) {
      const problem = problemOf(await get('/api/financial_data', { accept }), 406)
      expect(problem.errors).toMatchObject([{ pointer: '/headers/accept', code: 'not_acceptable' }])
    }
    expect((await get('/api/financial_data?format=csv', { accept: 'text/html' })).statusCode).toBe(200)
  })

  test.each(['', 'xml', 'CSV', 'csv&format=csv'])('is refused when it is none: format=%s', async (format) => {
    const problem = problemOf(await get(`/api/financial_data?format=${format}`), 400)
    expect(problem.errors).toMatchObject([{ pointer: '/query/format' }])
  })

  test('has a tag of its own', async () => {
    await store(context.db, 'IBM', january())
    const answers = await Promise.all(
      ['json', 'csv', 'ndjson'].map((one) => get(`/api/financial_data?format=${one}`)),
    )
    const tags = answers.map((answer) => String(answer.headers['etag']))
    expect(new Set(tags).size).toBe(3)
    const kept = await get('/api/financial_data?format=csv', { 'if-none-match': tags[1] ?? '' })
    expect([kept.statusCode, kept.body]).toStrictEqual([304, ''])
    await store(context.db, 'IBM', [bar('2023-02-01', '1')])
    const changed = await get('/api/financial_data?format=csv', { 'if-none-match': tags.join(', ') })
    expect(changed.statusCode).toBe(200)
  })

  test('is told by HEAD, which reads no bars', async () => {
    await store(context.db, 'IBM', january())
    const answer = await context.app.inject({
      method: 'HEAD',
      url: '/api/financial_data?format=csv&symbol=IBM',
    })
    const got = await get('/api/financial_data?format=csv&symbol=IBM')
    expect([answer.statusCode, answer.body]).toStrictEqual([200, ''])
    for (const name of ['etag', 'content-type', 'content-disposition', 'cache-control', 'vary'])
      expect(answer.headers[name]).toBe(got.headers[name])
  })
})

describe('CSV', () => {
  const context = useApp({ shared: true })

  test('comes back from a parser of RFC 4180 as it was, and no cell is a formula, whatever the symbol', async () => {
    const symbols = fc
      .stringMatching(new RegExp(`${SYMBOL_CHARACTERS.source.slice(0, -2)}{1,32}$`))
      .map(normaliseSymbol)
      .filter(isSymbol)
    const price = fc.stringMatching(/^(?:0|[1-9]\d{0,8})(?:\.\d{1,8})?$/)
    const volume = fc.bigInt(0n, 2n ** 63n - 1n).map(String)
    await fc.assert(
      fc.asyncProperty(symbols, price, volume, async (symbol, value, traded) => {
        await store(context.db, symbol, [bar('2023-01-03', value, traded)])
        const url = `/api/financial_data?symbol=${encodeURIComponent(symbol)}`
        const [head, ...rows] = parseCsv((await context.app.inject(`${url}&format=csv`)).body)
        const cells = rows.flat()
        expect(cells.filter((cell) => /^[=+\-@\t\r]/.test(cell))).toStrictEqual([])
        const read = rows.map((row) =>
          Object.fromEntries(row.map((cell, at) => [head?.[at] ?? '', cell.replace(/^'/, '')])),
        )
        expect(read).toStrictEqual(rowsShape.parse((await context.app.inject(url)).json()).data)
        expect(head).toStrictEqual(BAR_COLUMNS)
      }),
      {
        numRuns: 60,
        examples: [
          ['=1+1', '1', '1'],
          ['-A', '1', '1'],
          ['@SUM(A1)', '0.10', '0'],
          ['+', '1', '1'],
        ],
      },
    )
  })

  test('needs no quotes, and NDJSON no escapes: no symbol has a character that would', () => {
    for (const character of [',', '"', '\r', '\n', '\\', "'", '\t', '\0', 'é'])
      expect(isSymbol(character)).toBe(false)
  })
})

test.each([
  [undefined, 'json'],
  ['', 'json'],
  ['*/*', 'json'],
  ['text/csv', 'csv'],
  ['TEXT/CSV; charset=utf-8', 'csv'],
  ['text/*', 'csv'],
  ['application/*', 'json'],
  ['application/x-ndjson, */*;q=0.1', 'ndjson'],
  ['text/csv;q=0.5, application/json;q=0.4', 'csv'],
  ['text/csv, application/json', 'json'],
  ['*/*, application/json;q=0', 'csv'],
  ['text/csv;q=0, text/*, application/x-ndjson;q=0.001', 'ndjson'],
  ['text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8', 'json'],
])('Accept: %s is answered with %s', (accept, format) => {
  expect(negotiateFormat(accept)).toBe(format)
})

test.each([
  [['IBM', '2023-01-01', undefined], 'IBM_2023-01-01'],
  [['../BC/PB', undefined, undefined], 'BC-PB'],
  [['-A:B*', undefined, '2023-01-01'], 'A-B-_2023-01-01'],
  [['CON', undefined, undefined], 'CON_'],
  [['NUL.LON', undefined, undefined], 'NUL_.LON'],
  [['COM1', '2023-01-01', undefined], 'COM1_2023-01-01'],
  [['CONE', undefined, undefined], 'CONE'],
  [['A..', undefined, undefined], 'A'],
  [['..', undefined, undefined], 'financial_data'],
  [['A'.repeat(300), undefined, undefined], 'A'.repeat(100)],
])('a file of %j is called %s', (parts, name) => {
  expect(dispositionOf('csv', parts)).toBe(`attachment; filename="${name}.csv"`)
})

test('a file of any symbol has a name that every system takes', () => {
  fc.assert(
    fc.property(
      fc.string({ maxLength: 60 }),
      fc.constantFrom('csv' as const, 'ndjson' as const),
      (part, format) => {
        const name = /^attachment; filename="(.*)"$/.exec(dispositionOf(format, [part]))?.[1] ?? ''
        expect(name).toMatch(/^[A-Za-z0-9_][\w.-]*[A-Za-z0-9_-]\.(?:csv|ndjson)$|^\w\.(?:csv|ndjson)$/)
        expect(name).not.toMatch(/^(?:con|prn|aux|nul|com\d|lpt\d)\./i)
        expect(name.length).toBeLessThan(120)
      },
    ),
  )
})
