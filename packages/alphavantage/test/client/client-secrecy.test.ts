import type { IncomingMessage, ServerResponse } from 'node:http'
import { describe, expect, it } from 'vitest'
import { createClient } from '../../src/client/client.js'
import { parseDailyCsv } from '../../src/series/daily-series.js'
import { redactorOf } from '../../src/text/redact.js'
import { dailyBody, META_DATA, NOW, record } from '../series/bodies.js'
import { failureOf, serve } from './http-server.js'

/** A key with every kind of character that one encoding or another changes. */
const KEY = 'canary key/+&="%41'
const FORMS = [
  KEY,
  encodeURIComponent(KEY),
  new URLSearchParams({ k: KEY }).toString().slice(2),
  JSON.stringify(KEY).slice(1, -1),
  Buffer.from(KEY).toString('base64'),
  Buffer.from(KEY).toString('hex'),
  KEY.replaceAll('&', '&amp;').replaceAll('"', '&quot;'),
]

const says =
  (text: string) =>
  (_request: IncomingMessage, response: ServerResponse): void =>
    void response.end(text)

function expectNoKey(text: string): void {
  for (const form of FORMS) expect(text.toLowerCase()).not.toContain(form.toLowerCase())
  expect(text).not.toContain('canary')
}

describe('the key', () => {
  it('is nowhere in what is kept of a bad row', async () => {
    const metaData = { ...META_DATA, '3. Last Refreshed': KEY, '5. Time Zone': KEY }
    const body = dailyBody({ '2026-05-15': record({ '1. open': KEY }), [KEY]: record() }, metaData)
    const { baseUrl } = await serve(says(body))
    const series = await createClient({ baseUrl, apiKey: () => KEY, now: () => NOW }).fetchDaily({
      symbol: 'IBM',
      outputsize: 'full',
    })
    expect(series.rejected).toHaveLength(2)
    expectNoKey(JSON.stringify(series))
  })

  it.each([983, 992, 999])(
    'leaves no part of itself where a bad row is cut after %i characters',
    async (length) => {
      for (const form of FORMS) {
        const text = 'x'.repeat(length) + form
        const fields = { '1. open': text, [text]: '', more: [{ [text]: text }] }
        const body = dailyBody({ '2026-05-15': record(fields), [text]: record() })
        const { baseUrl } = await serve(says(body))
        const client = createClient({ baseUrl, apiKey: () => KEY, now: () => NOW })
        const series = await client.fetchDaily({ symbol: 'IBM', outputsize: 'full' })
        expect(series.rejected).toHaveLength(2)
        expect(JSON.stringify(series)).toContain('xxx[')
        expect(JSON.stringify(series)).not.toMatch(/xc/)

        const line = `2026-05-15,${text.slice('2026-05-15,'.length)},1,1,1,1`
        const csv = `timestamp,open,high,low,close,volume\n${line}\n`
        const [rejected] = parseDailyCsv(csv, 'IBM', NOW, redactorOf(KEY)).rejected
        expect(rejected?.raw).toContain('xxx[')
        expect(rejected?.raw).not.toMatch(/xc/)
      }
    },
  )

  it('leaves no half of itself where the evidence is cut', async () => {
    for (const length of [2_020, 2_030, 2_040]) {
      const { baseUrl } = await serve(says(`<${'x'.repeat(length)}${KEY}${'y'.repeat(500)}`))
      const client = createClient({ baseUrl, apiKey: () => KEY })
      const { evidence } = await failureOf(client.fetchDaily({ symbol: 'IBM', outputsize: 'full' }))
      expect(evidence).toContain('xxx[')
      expect(evidence).not.toContain('cana')
    }
  })

  it('is redacted in every form, in either case, and nothing else is', () => {
    const redact = redactorOf('a.B +c')
    for (const form of ['a.B +c', 'A.b%20%2Bc', 'a.B+%2bc', 'a%2EB%2520%252Bc', String.raw`a.B \u002bc`]) {
      expect(redact(`<${form}>`)).toBe('<[redacted]>')
    }
    expect(redact('aXB +c a.B c')).toBe('aXB +c a.B c')
  })

  it('of the documentation is no secret, as its refusal names it', () => {
    expect(redactorOf('demo')('The **demo** API key')).toBe('The **demo** API key')
  })
})
