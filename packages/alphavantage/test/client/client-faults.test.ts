import { once } from 'node:events'
import { createServer } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip, gzipSync } from 'node:zlib'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createClient } from '../../src/client/client.js'
import { dailyBody, NOW, record } from '../series/bodies.js'
import { failureOf, serve, serveBody } from './http-server.js'

const SOUND = dailyBody({ '2026-05-15': record() })

async function fetchFrom(baseUrl: string, options: { timeoutMs?: number; bodyLimitBytes?: number } = {}) {
  const client = createClient({ baseUrl, apiKey: () => 'CANARYKEY1234567', now: () => NOW, ...options })
  return await client.fetchDaily({ symbol: 'IBM', outputsize: 'compact' })
}

describe('a status', () => {
  it.each([
    [500, 'http_error', { action: 'retry', maxAttempts: 5 }],
    [502, 'http_error', { action: 'retry', maxAttempts: 5 }],
    [503, 'http_error', { action: 'retry', maxAttempts: 5 }],
    [408, 'http_error', { action: 'retry', maxAttempts: 5 }],
    [400, 'http_rejected', { action: 'retry', maxAttempts: 2 }],
    [403, 'http_rejected', { action: 'retry', maxAttempts: 2 }],
    [404, 'http_rejected', { action: 'retry', maxAttempts: 2 }],
    [429, 'throttled', { action: 'snooze', waitMs: 60_000 }],
  ])('of %i is %s, with the page as evidence', async (httpStatus, expected, disposition) => {
    const { baseUrl } = await serveBody('<title>no</title>', httpStatus)
    const error = { class: expected, httpStatus, disposition, evidence: '<title>no</title>' }
    await expect(fetchFrom(baseUrl)).rejects.toMatchObject(error)
  })

  it.each([201, 202, 203, 206, 226])('of %i is no series, however sound its body is', async (httpStatus) => {
    const { baseUrl } = await serveBody(SOUND, httpStatus, { 'content-range': 'bytes 0-999/1000' })
    const error = await failureOf(fetchFrom(baseUrl))
    expect(error).toMatchObject({ class: 'http_rejected', httpStatus, evidence: SOUND.slice(0, 2_048) })
    expect(error.message).toContain(`HTTP ${httpStatus}`)
  })

  it.each([204, 205])('of %i is no series either, and has no body to show', async (httpStatus) => {
    const { baseUrl } = await serve((_request, response) => void response.writeHead(httpStatus).end())
    await expect(fetchFrom(baseUrl)).rejects.toMatchObject({
      class: 'http_rejected',
      httpStatus,
      evidence: null,
    })
  })

  it('of 206 says less than a refusal in words', async () => {
    const { baseUrl } = await serveBody('{"Information": "25 requests per day"}', 206)
    await expect(fetchFrom(baseUrl)).rejects.toMatchObject({ class: 'daily_limit', httpStatus: 206 })
  })

  it.each([
    ['7', 7_000, 'HTTP 429, Retry-After 7 s.'],
    ['Sun, 17 May 2026 12:00:30 GMT', 30_000, 'HTTP 429, Retry-After Sun, 17 May 2026 12:00:30 GMT.'],
    ['later', 60_000, 'HTTP 429.'],
  ])('of 429 waits as Retry-After %j says', async (header, waitMs, what) => {
    const { baseUrl } = await serveBody('{}', 429, { 'retry-after': header })
    const error = await failureOf(fetchFrom(baseUrl))
    expect(error).toMatchObject({ class: 'throttled', disposition: { action: 'snooze', waitMs } })
    expect(error.disposition).not.toHaveProperty('again')
    expect(error.message).toBe(`IBM: ${what} The server asks to slow down.`)
  })

  it.each([
    ['999999', 3_600_000, '60 s are kept', '3600 s are kept'],
    ['9'.repeat(400), 3_600_000, '60 s are kept', '3600 s are kept'],
    ['120', 120_000, '60 s are kept', 'Retry-After 120 s.'],
  ])(
    'of 429 with Retry-After %s is believed for 60 s, and longer when it comes again',
    async (header, waitMs, kept, again) => {
      const { baseUrl } = await serveBody('<title>proxy</title>', 429, { 'retry-after': header })
      const error = await failureOf(fetchFrom(baseUrl))
      expect(error.disposition).toMatchObject({
        action: 'snooze',
        waitMs: 60_000,
        again: { class: 'throttled', httpStatus: 429, disposition: { action: 'snooze', waitMs } },
      })
      expect(error.message).toContain(`Retry-After ${header.slice(0, 32)} s, of which ${kept}`)
      const { disposition } = error
      expect('again' in disposition && disposition.again?.message).toContain(again)
      expect(error.message.length).toBeLessThan(200)
    },
  )

  it('of 429 says less than the provider’s own words, Retry-After or not', async () => {
    const { baseUrl } = await serveBody('{"Information": "Burst pattern detected."}', 429, {
      'retry-after': '999',
    })
    await expect(fetchFrom(baseUrl)).rejects.toMatchObject({
      class: 'burst_limit',
      disposition: { action: 'snooze', waitMs: 2_500 },
    })
  })

  it.each([401, 429, 500])('of %i says less than a refusal in words', async (httpStatus) => {
    const { baseUrl } = await serveBody(
      '{"Error Message": "the parameter apikey is invalid or missing."}',
      httpStatus,
    )
    await expect(fetchFrom(baseUrl)).rejects.toMatchObject({ class: 'invalid_key', httpStatus })
  })

  it.each([301, 302, 303, 307, 308])('of %i is refused, and the key is not sent there', async (status) => {
    const elsewhere = await serveBody(SOUND)
    const { baseUrl } = await serve((request, response) => {
      response.writeHead(status, { location: `${elsewhere.baseUrl}${request.url}` }).end()
    })
    const error = await failureOf(fetchFrom(baseUrl))
    expect(error).toMatchObject({
      class: 'redirect',
      httpStatus: status,
      disposition: { action: 'retry', maxAttempts: 2 },
    })
    expect(error.evidence).toContain('apikey=[redacted]')
    expect(elsewhere.requests).toEqual([])
  })
})

describe('a connection', () => {
  it('that nobody accepts is network, by its code', async () => {
    const gone = createServer().listen(0, '127.0.0.1')
    await once(gone, 'listening')
    const address = gone.address()
    const port = typeof address === 'object' ? address?.port : address
    gone.close()
    await once(gone, 'close')
    const error = await failureOf(fetchFrom(`http://127.0.0.1:${port}`))
    expect(error).toMatchObject({ class: 'network', httpStatus: null, evidence: null, sent: false })
    expect(error.message).toContain('ECONNREFUSED')
  })

  it('that is closed without an answer is network', async () => {
    const { baseUrl } = await serve((request) => request.socket.destroy())
    expect(await failureOf(fetchFrom(baseUrl))).toMatchObject({
      class: 'network',
      httpStatus: null,
      sent: true,
    })
  })

  it('that breaks in the middle of the body is network, without a row', async () => {
    const { baseUrl } = await serve((_request, response) => {
      response.writeHead(200, { 'content-length': SOUND.length })
      response.write(SOUND.slice(0, 100), () => response.destroy())
    })
    await expect(fetchFrom(baseUrl)).rejects.toMatchObject({ class: 'network' })
  })

  it.each([
    ['says nothing', ''],
    ['stops in the middle of the body', SOUND.slice(0, 100)],
  ])('that %s is timeout, and is closed', async (_what, start) => {
    let closed: Promise<unknown> | undefined
    const { baseUrl } = await serve((_request, response) => {
      closed = once(response, 'close')
      if (start !== '') response.write(start)
    })
    await expect(fetchFrom(baseUrl, { timeoutMs: 100 })).rejects.toMatchObject({ class: 'timeout' })
    await closed
  })
})

describe('a body', () => {
  it('may be compressed, and its decoded size is told', async () => {
    const { baseUrl } = await serve((_request, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(SOUND))
    })
    expect(await fetchFrom(baseUrl)).toMatchObject({ bytes: SOUND.length, rows: [{ date: '2026-05-15' }] })
  })

  it('may be as large as the limit, and not a byte larger', async () => {
    const { baseUrl } = await serveBody(SOUND)
    expect((await fetchFrom(baseUrl, { bodyLimitBytes: SOUND.length })).rows).toHaveLength(1)
    const tooLarge = fetchFrom(baseUrl, { bodyLimitBytes: SOUND.length - 1 })
    await expect(tooLarge).rejects.toMatchObject({ class: 'too_large', disposition: { action: 'fail' } })
  })

  it('that is a gzip bomb is dropped at the limit, and its connection with it', async () => {
    const total = 1_024
    let produced = 0
    let served: Promise<void> | undefined
    const { baseUrl } = await serve((_request, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' })
      const zeros = Readable.from(
        (function* () {
          const mebibyte = Buffer.alloc(1024 * 1024)
          while (produced++ < total) yield mebibyte
        })(),
      )
      served = pipeline(zeros, createGzip({ level: 1 }), response)
    })
    await expect(fetchFrom(baseUrl, { bodyLimitBytes: 1024 * 1024 })).rejects.toMatchObject({
      class: 'too_large',
    })
    await expect(served).rejects.toMatchObject({ code: 'ERR_STREAM_PREMATURE_CLOSE' })
    expect(produced).toBeLessThan(total)
  })

  it('that cannot be decompressed is bad_payload', async () => {
    const { baseUrl } = await serveBody('no gzip', 200, { 'content-encoding': 'gzip' })
    await expect(fetchFrom(baseUrl)).rejects.toMatchObject({ class: 'bad_payload' })
  })

  it('that is HTML with status 200 is bad_payload, with the page as evidence', async () => {
    const { baseUrl } = await serveBody('<title>Be right back</title>')
    await expect(fetchFrom(baseUrl)).rejects.toMatchObject({
      class: 'bad_payload',
      httpStatus: 200,
      evidence: '<title>Be right back</title>',
    })
  })

  it('may start with a byte order mark, and hold bytes that are no UTF-8 where it does not matter', async () => {
    const { baseUrl } = await serve((_request, response) => {
      response.end(
        Buffer.concat([
          Buffer.from('\uFEFF'),
          Buffer.from(SOUND.replace('Daily Prices', 'Prix Journ\u00E9es'), 'latin1'),
        ]),
      )
    })
    expect((await fetchFrom(baseUrl)).rows).toHaveLength(1)
  })
})

describe('an answer behind others', () => {
  it.each(['100 Continue', '102 Processing', '103 Early Hints'])('of %s is taken', async (early) => {
    const head = `HTTP/1.1 ${early}\r\n\r\n`
    const server = createServer((socket) => {
      socket.on('data', () => {
        socket.write(head)
        setImmediate(() =>
          socket.write(`${head}HTTP/1.1 200 OK\r\ncontent-length: ${SOUND.length}\r\n\r\n${SOUND}`),
        )
      })
      socket.on('error', () => {})
      onTestFinished(() => void socket.destroy())
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    const address = server.address()
    const port = typeof address === 'object' ? address?.port : address
    // Two requests are sent on one connection.
    expect((await fetchFrom(`http://127.0.0.1:${port}`)).rows).toHaveLength(1)
    expect((await fetchFrom(`http://127.0.0.1:${port}`)).rows).toHaveLength(1)
  })
})
