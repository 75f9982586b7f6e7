import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { entityTag, namesTag } from '../../src/http/revalidation.js'
import { bar, january, problemOf, store, useApp } from '../app.js'

const STATISTICS = '/api/statistics?start_date=2023-01-01&end_date=2023-01-31'

describe('an answer that was kept', () => {
  const context = useApp()
  const get = (url: string, ifNoneMatch?: string) =>
    context.app.inject({ url, headers: ifNoneMatch === undefined ? {} : { 'if-none-match': ifNoneMatch } })
  const tagOf = async (url: string) => String((await get(url)).headers['etag'])

  test.each([`${STATISTICS}&symbol=IBM`, `${STATISTICS}&symbols=IBM,AAPL`])(
    'is a 304 without a body until its data changes, and again after: %s',
    async (url) => {
      await store(context.db, 'IBM', january())
      await store(context.db, 'AAPL', january())
      const answer = await get(url)
      expect(answer.headers).toMatchObject({ 'cache-control': 'no-cache', vary: 'accept-encoding' })
      const tag = String(answer.headers['etag'])
      expect(tag).toMatch(/^W\/"\d+-[\da-z]{1,7}"$/)

      const unchanged = await get(url, tag)
      expect([unchanged.statusCode, unchanged.body]).toStrictEqual([304, ''])
      expect(unchanged.headers).toMatchObject({
        etag: tag,
        'cache-control': 'no-cache',
        vary: 'accept-encoding',
      })
      expect(unchanged.headers).not.toHaveProperty('content-type')

      await store(context.db, 'MSFT', january())
      expect((await get(url, tag)).statusCode).toBe(304)

      await store(context.db, 'IBM', [bar('2023-01-03', '103.5001')])
      const changed = await get(url, tag)
      expect(changed.statusCode).toBe(200)
      expect(changed.headers['etag']).not.toBe(tag)
      expect(changed.body).not.toBe(answer.body)
      expect((await get(url, String(changed.headers['etag']))).statusCode).toBe(304)
    },
  )

  test('stays what it is when a fetch brings nothing new', async () => {
    await store(context.db, 'IBM', january())
    const tag = await tagOf(`${STATISTICS}&symbol=IBM`)
    await store(context.db, 'IBM', january())
    expect((await get(`${STATISTICS}&symbol=IBM`, tag)).statusCode).toBe(304)
  })

  test('is of its request alone: another range, field or writing of the list has another tag', async () => {
    await store(context.db, 'IBM', january())
    const tags = await Promise.all(
      [
        `${STATISTICS}&symbol=IBM`,
        `${STATISTICS}&symbols=IBM`,
        `${STATISTICS}&symbol=IBM&fields=all`,
        `${STATISTICS}&symbol=IBM&group_by=year`,
        '/api/statistics?start_date=2023-01-02&end_date=2023-01-31&symbol=IBM',
      ].map(tagOf),
    )
    expect(new Set(tags).size).toBe(tags.length)
    // These URLs write one request in several ways.
    expect(await tagOf('/statistics?symbol=ibm&end_date=2023-01-31&start_date=2023-01-01')).toBe(tags[0])
  })

  test('is named in a list, as strong, or by *; what is no tag is not looked at', async () => {
    await store(context.db, 'IBM', january())
    const url = `${STATISTICS}&symbol=IBM`
    const tag = await tagOf(url)
    for (const given of [`"a", ${tag}`, `${tag},W/"b"`, tag.slice(2), '*', ' * '])
      expect((await get(url, given)).statusCode).toBe(304)
    for (const given of ['', 'W/"a"', tag.slice(3, -1), '"*"', '"', ',,,'])
      expect((await get(url, given)).statusCode).toBe(200)
  })

  test('is a 304 for HEAD too', async () => {
    await store(context.db, 'IBM', january())
    const url = `${STATISTICS}&symbol=IBM`
    const headers = { 'if-none-match': await tagOf(url) }
    expect((await context.app.inject({ method: 'HEAD', url, headers })).statusCode).toBe(304)
  })

  test('of an unknown symbol is still 404, and an error has no tag', async () => {
    await store(context.db, 'IBM', january())
    for (const symbols of ['symbol=NOSUCH', 'symbols=IBM,NOSUCH']) {
      const answer = await get(`${STATISTICS}&${symbols}`, '*')
      expect(problemOf(answer, 404).status).toBe(404)
      expect(answer.headers).not.toHaveProperty('etag')
    }
    expect(problemOf(await get('/api/statistics', '*'), 400).status).toBe(400)
  })
})

test('a tag is another than that of the build which rounded what is below 1 to four decimals', () => {
  const query = { symbol: 'IBM', start_date: '2023-01-01', end_date: '2023-01-31' }
  const tag = entityTag({ operation: 'statistics', query, format: 'json', vary: '' }, '1')
  const before = crc32(JSON.stringify([1, 'statistics', 'json', query])).toString(36)
  expect(tag).not.toBe(`W/"1-${before}"`)
})

test('a tag is found among others, whatever they are', () => {
  const tag = entityTag({ operation: 'a', query: {}, format: 'json', vary: '' }, '1')
  const other = fc.stringMatching(/^(?:W\/)?"[\w-]{0,20}"$/)
  fc.assert(
    fc.property(
      fc.array(other),
      fc.array(other),
      fc.constantFrom(',', ', ', ' ,\t'),
      (before, after, comma) => {
        const others = [...before, ...after].filter((one) => !tag.includes(one.replace('W/', '')))
        expect(namesTag([...others, tag, ...others].join(comma), tag)).toBe(true)
        expect(namesTag(others.join(comma), tag)).toBe(false)
      },
    ),
  )
})
