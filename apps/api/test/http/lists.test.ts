import { describe, expect, test } from 'vitest'
import { waitFor } from '@stockpile/test-harness/process'
import * as z from 'zod'
import { problemOf, useApp } from '../app.js'

const RUN = '01985fd0-7c1a-7b3e-9d52-3f2f8f1f6a10'
const LISTS = [
  '/api/ingest',
  `/api/ingest/${RUN}/items`,
  '/api/failures',
  `/api/failures?run_id=${RUN}&class=timeout`,
  '/api/rejected_rows',
  `/api/rejected_rows?run_id=${RUN}`,
  '/api/rejected_rows?resolved=false&symbol=S1',
  '/api/symbols/S1/revisions',
] as const

const answerShape = z.object({
  data: z.array(z.object({ id: z.union([z.int(), z.string()]) })),
  pagination: z.object({
    count: z.int().optional(),
    count_is_estimate: z.boolean().optional(),
    pages: z.int().optional(),
    next_cursor: z.string().nullable().optional(),
  }),
})

describe('a list', () => {
  const context = useApp({ shared: true })
  const rows = 30
  const fill = async () => {
    await context.db.execute(`
      INSERT INTO ingest_runs (id, trigger, outputsize, force, priority) SELECT CASE WHEN n = 1 THEN '${RUN}' ELSE uuidv7() END, 'api', 'auto', false, 'normal' FROM generate_series(1, ${rows}) AS n ON CONFLICT DO NOTHING;
      INSERT INTO ingest_items (run_id, symbol, state, finished_at) SELECT '${RUN}', 'S' || n, 'failed', now() FROM generate_series(1, ${rows}) AS n;
      INSERT INTO ingest_failures (item_id, run_id, symbol, attempt, final, class, detail, advice) SELECT id, run_id, symbol, 1, true, 'timeout', 'd', 'a' FROM ingest_items;
      INSERT INTO rejected_rows (symbol, raw, reasons) SELECT 'S1', to_jsonb(n), '{}' FROM generate_series(1, ${rows}) AS n;
      INSERT INTO item_rejected_rows SELECT (SELECT min(id) FROM ingest_items), id FROM rejected_rows;
      INSERT INTO price_revisions (symbol, date, old_open_price, old_high_price, old_low_price, old_close_price, old_volume, new_open_price, new_high_price, new_low_price, new_close_price, new_volume)
        SELECT 'S1', '2024-01-01', 1, 1, 1, 1, 1, 2, 2, 2, 2, 2 FROM generate_series(1, ${rows})`)
  }
  const get = (url: string) => context.app.inject(url)
  const read = async (url: string) => {
    const answer = await get(url)
    const link = /^<([^>]+)>; rel="next"$/.exec(String(answer.headers['link'] ?? ''))?.[1]
    return { ...answerShape.parse(answer.json()), link }
  }
  const withParameters = (url: string, more: string) => `${url}${url.includes('?') ? '&' : '?'}${more}`

  test.each(LISTS)('has every entry once, page by page and by its Links: %s', async (url) => {
    if ((await read('/api/ingest')).data.length === 0) await fill()
    const whole = (await read(withParameters(url, 'limit=100'))).data.map(({ id }) => id)
    expect(whole).toHaveLength(rows)
    const byPage = []
    for (let page = 1; page <= 5; page += 1) {
      const answer = await read(withParameters(url, `limit=7&page=${page}`))
      expect(answer.pagination).toMatchObject({ count: rows, pages: 5 })
      byPage.push(...answer.data.map(({ id }) => id))
    }
    expect(byPage).toStrictEqual(whole)
    const byLink = []
    for (let next: string | undefined = withParameters(url, 'limit=7'); next !== undefined;) {
      const answer = await read(next)
      byLink.push(...answer.data.map(({ id }) => id))
      // An answer without cursor has a count, and its next page only in the header Link.
      const { next_cursor: cursor = answer.link ?? null } = answer.pagination
      expect(cursor !== null).toBe(answer.link !== undefined)
      next = answer.link
    }
    expect(byLink).toStrictEqual(whole)
  })

  test.each(LISTS)('takes no cursor of another list or filter, and none beside a page: %s', async (url) => {
    if ((await read('/api/ingest')).data.length === 0) await fill()
    const { link = '' } = await read(withParameters(url, 'limit=7'))
    const cursor = new URL(link, 'http://a').searchParams.get('cursor') ?? ''
    for (const other of LISTS.filter((one) => one !== url))
      expect(problemOf(await get(withParameters(other, `cursor=${cursor}`)), 400).errors).toMatchObject([
        { pointer: '/query/cursor' },
      ])
    expect(problemOf(await get(withParameters(url, `cursor=${cursor}&page=2`)), 400).detail).toContain(
      'either',
    )
    for (const forged of ['x', `${cursor}A`, Buffer.from('[{"at":1,"id":1},1]').toString('base64url')])
      expect(problemOf(await get(withParameters(url, `cursor=${forged}`)), 400).status).toBe(400)
  })
})

describe('a list of more than 10,000 entries', () => {
  const context = useApp({ shared: true })

  test('has an estimated count, pages to its first 10,000, and all of them by cursor', async () => {
    await context.db.execute(
      "INSERT INTO rejected_rows (symbol, raw, reasons) SELECT 'S1', to_jsonb(n), '{}' FROM generate_series(1, 10500) AS n",
    )
    await context.db.execute('ANALYZE rejected_rows')
    const get = (query: string) => context.app.inject(`/api/rejected_rows?limit=1000&${query}`)
    const tenth = await get('page=10')
    expect(answerShape.parse(tenth.json())).toMatchObject({ pagination: { count_is_estimate: true } })
    expect(problemOf(await get('page=11'), 400).errors).toMatchObject([{ pointer: '/query/page' }])
    const next = /^<([^>]+)>/.exec(String(tenth.headers['link']))?.[1] ?? ''
    const last = answerShape.parse((await context.app.inject(next)).json())
    expect(last.data).toHaveLength(500)
    expect(last.pagination.next_cursor).toBeNull()
    // Pages past the end of a list that is counted are empty.
    expect((await context.app.inject('/api/failures?page=1000000')).json()).toMatchObject({
      data: [],
      pagination: { count: 0 },
    })
  })
})

describe('a list that grows between its count and its entries', () => {
  const context = useApp()
  const RUNS =
    "INSERT INTO ingest_runs (trigger, outputsize, force, priority) SELECT 'api', 'auto', false, 'normal' FROM generate_series(1, 2)"
  const WAITING =
    "SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'api-test' AND wait_event_type = 'Lock'"

  test('goes on to what was there before: the count does not end it, nor say less than it shows', async () => {
    await context.db.execute(RUNS)
    const before = answerShape.parse((await context.app.inject('/api/ingest')).json()).data
    // The statement that reads entries reads totals too; the statement that counts does not.
    const answering = await context.db.transaction(async (tx) => {
      await tx.execute('LOCK TABLE run_totals IN ACCESS EXCLUSIVE MODE')
      const asked = context.app.inject('/api/ingest?limit=2')
      await waitFor(async () => (await context.db.execute(WAITING)).length > 0, {
        deadlineMs: 4_000,
        what: 'the entries',
      })
      await tx.execute(RUNS)
      return { asked }
    })
    const answer = await answering.asked
    expect(answerShape.parse(answer.json())).toMatchObject({ pagination: { count: 3, pages: 2 } })
    const next = /^<([^>]+)>/.exec(String(answer.headers['link']))?.[1] ?? ''
    expect(answerShape.parse((await context.app.inject(next)).json()).data).toStrictEqual(before)
  })
})
