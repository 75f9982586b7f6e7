import { once } from 'node:events'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { connect as connectDatabase } from '@stockpile/db/connection'
import { slowness } from '@stockpile/test-harness/patience'
import { waitFor } from '@stockpile/test-harness/process'
import { beforeEach, describe, expect, test } from 'vitest'
import { january, problemOf, store, useApp } from '../app.js'

/** A tenth of a second; more on a busy machine, where a client of good will is slower too. */
const TENTH_MS = Math.round(35 * slowness())

describe('a client that is no good one', () => {
  const context = useApp({
    timeouts: {
      headersMs: 3 * TENTH_MS,
      requestMs: 6 * TENTH_MS,
      readMs: 3 * TENTH_MS,
      handlerMs: 4 * TENTH_MS,
      checkMs: 50,
    },
  })
  let port = 0
  beforeEach(async () => {
    port = Number(new URL(await context.app.listen({ port: 0 })).port)
  })

  async function open(): Promise<Socket> {
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    return socket
  }

  test.each([
    ['20 KB of headers', 431, `GET /healthz HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`],
    ['20 KB of URL', 431, `GET /${'x'.repeat(20_000)} HTTP/1.1\r\nHost: a\r\n\r\n`],
    [
      'both TE and CL',
      400,
      'POST /api/ingest HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n',
    ],
    [
      'two lengths',
      400,
      'POST /api/ingest HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc',
    ],
    ['no HTTP', 400, '\u0016\u0003\u0001 canary\r\n\r\n'],
    ['an unknown method', 400, 'CANARY / HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['no host', 400, 'GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n'],
    ['two hosts', 400, 'GET /healthz HTTP/1.1\r\nHost: a\r\nHost: canary\r\nConnection: close\r\n\r\n'],
    [
      'a bad chunk',
      400,
      'POST /api/ingest HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\ncanary\r\n',
    ],
    [
      'a second host behind 2,100 other lines',
      431,
      `GET /healthz HTTP/1.1\r\nHost: a\r\n${'x:\r\n'.repeat(2_100)}Host: canary\r\n\r\n`,
    ],
    ['101 header lines', 431, `GET /healthz HTTP/1.1\r\nHost: a\r\n${'x:\r\n'.repeat(100)}\r\n`],
    ['a negative length', 400, 'POST /api/ingest HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n'],
    ['a NUL in a header', 400, 'GET /healthz HTTP/1.1\r\nHost: a\r\nX: \0canary\r\n\r\n'],
  ])('sends %s: %d', async (_what, status, bytes) => {
    const socket = await open()
    socket.write(bytes)
    const answer = await answerTo(socket)
    expect(problemOf(answer, status).status).toBe(status)
    expect(answer.body).not.toMatch(/canary/i)
  })

  test.each([
    ['an Expect that no server knows', 'Expect: canary\r\nConnection: close\r\n'],
    ['100 header lines', `${'x:\r\n'.repeat(98)}Connection: close\r\n`],
    ['an Upgrade, whose connection ends with its answer', 'Upgrade: websocket\r\nConnection: upgrade\r\n'],
  ])('sends %s: it is answered without', async (_what, headers) => {
    const socket = await open()
    socket.write(`GET /healthz HTTP/1.1\r\nHost: a\r\n${headers}\r\n`)
    expect((await answerTo(socket)).statusCode).toBe(200)
  })

  test.each([
    ['no HTTP', 400, 'canary\r\n\r\n'],
    ['half a request', 408, 'GET /healthz HTTP/1.1\r\n'],
  ])(
    'sends %s behind a run: %d after the answer to the run, not instead of it',
    async (_what, status, bytes) => {
      const socket = await open()
      const body = '{"symbols":["IBM"]}'
      socket.write(
        `POST /api/ingest HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}${bytes}`,
      )
      const answers = (await text(socket)).split(/(?=HTTP\/1\.1 )/)
      expect(answers.map((answer) => answer.slice(0, 'HTTP/1.1 202'.length))).toStrictEqual([
        'HTTP/1.1 202',
        `HTTP/1.1 ${status}`,
      ])
    },
  )

  test('does not read its answers: it is disconnected', async () => {
    const socket = await open()
    socket.on('error', () => {})
    socket.pause()
    // This is more than the buffers of both sockets hold.
    socket.write('GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(100))
    const connections = () =>
      new Promise<number>((resolve) => context.app.server.getConnections((_, count) => resolve(count)))
    try {
      await waitFor(async () => (await connections()) === 1, { deadlineMs: 5_000 })
      await waitFor(async () => (await connections()) === 0, { deadlineMs: 5_000 })
      expect(context.logLines.filter((line) => /"level":"(?:error|fatal)"/.test(line))).toStrictEqual([])
    } finally {
      socket.destroy()
    }
  })

  test('sends nothing: 408', async () => {
    expect(problemOf(await answerTo(await open()), 408).status).toBe(408)
  })

  test('sends its headers too slowly: 408', async () => {
    const socket = await open()
    socket.write('GET /healthz HTTP/1.1\r\nHost: a\r\n')
    const drip = setInterval(() => socket.write('X: 1\r\n'), 50)
    try {
      expect(problemOf(await answerTo(socket), 408).status).toBe(408)
    } finally {
      clearInterval(drip)
    }
  })

  test('sends its body too slowly: 408, and it is no fault of the server', async () => {
    const socket = await open()
    socket.write(
      'POST /api/ingest HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n',
    )
    const drip = setInterval(() => socket.write(' '), 50)
    try {
      expect(problemOf(await answerTo(socket), 408).status).toBe(408)
    } finally {
      clearInterval(drip)
    }
    expect(context.logLines.filter((line) => /"level":"(?:error|fatal)"/.test(line))).toStrictEqual([])
  })

  test('is still sending its body when the server stops: 503 at the end of its time', async () => {
    const socket = await open()
    socket.write(
      'POST /api/ingest HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{',
    )
    // The answer to the next request comes only after the server began this one.
    await (await fetch(`http://127.0.0.1:${port}/healthz`)).text()
    const [answer] = await Promise.all([answerTo(socket), context.app.close()])
    expect(problemOf(answer, 503).status).toBe(503)
  })

  test('leaves in the middle of its body: the server serves on', async () => {
    const socket = await open()
    socket.write(
      'POST /api/ingest HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{',
    )
    socket.resetAndDestroy()
    await once(socket, 'close')
    const answer = await fetch(`http://127.0.0.1:${port}/healthz`)
    expect(answer.status).toBe(200)
    await answer.text()
    expect(context.logLines.filter((line) => /"level":"(?:error|fatal)"/.test(line))).toStrictEqual([])
  })
})

describe('an answer that takes too long', () => {
  const context = useApp({ timeouts: { handlerMs: 2 * TENTH_MS } })

  test('is one 503 with Retry-After, whatever comes of it later, and its connection serves on', async () => {
    const socket = connect(Number(new URL(await context.app.listen({ port: 0 })).port), '127.0.0.1')
    await context.db.transaction(async (tx) => {
      await tx.execute('LOCK TABLE ingest_runs')
      socket.write('GET /api/ingest HTTP/1.1\r\nHost: a\r\n\r\n')
      await once(socket, 'readable')
      const answer = String(socket.read())
      expect(answer).toMatch(/^HTTP\/1.1 503 /)
      expect(answer.toLowerCase()).toContain('\r\nretry-after: 5\r\n')
      expect(answer).toContain('The server does not answer')
    })
    socket.write('GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    expect((await answerTo(socket)).statusCode).toBe(200)
  })
})

describe('pages and statistics', () => {
  const context = useApp()

  test('are answered while all other connections wait', async () => {
    await store(context.db, 'IBM', january())
    const lock = connectDatabase({
      databaseUrl: context.databaseUrl,
      applicationName: 'api-test',
      maxConnections: 1,
      statementTimeoutMs: 5_000,
    })
    try {
      const waiting = await lock.db.transaction(async (tx) => {
        await tx.execute('LOCK TABLE ingest_runs')
        const asked = Array.from({ length: 8 }, () => context.app.inject('/api/ingest'))
        await waitFor(
          async () => (await tx.execute('SELECT 1 FROM pg_locks WHERE NOT granted')).length >= 4,
          { deadlineMs: 5_000 },
        )
        for (const url of [
          '/api/financial_data?symbol=IBM',
          '/api/statistics?symbol=IBM&start_date=2023-01-01&end_date=2023-01-31',
        ])
          expect((await context.app.inject(url)).statusCode).toBe(200)
        return asked
      })
      for (const { statusCode } of await Promise.all(waiting)) expect(statusCode).toBe(200)
    } finally {
      await lock.close()
    }
  })
})

/** Resolves with all that the server writes until it closes the connection. */
async function answerTo(socket: Socket) {
  const [head = '', body = ''] = (await text(socket)).split('\r\n\r\n')
  const [statusLine = '', ...lines] = head.split('\r\n')
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const [name = '', value = ''] = line.toLowerCase().split(': ')
    headers[name] = value
  }
  return { statusCode: Number(statusLine.split(' ')[1]), headers, body }
}
