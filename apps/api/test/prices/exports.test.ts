import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { get } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { buffer, text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { BAR_COLUMNS } from '@stockpile/domain/bar'
import type { ExportChunk } from '@stockpile/db/export'
import { createLogger } from '@stockpile/log/logger'
import { slowness } from '@stockpile/test-harness/patience'
import { waitFor } from '@stockpile/test-harness/process'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { writeLines } from '../../src/prices/export-lines.js'
import { clientAddressOf } from '../../src/http/client-address.js'
import { createExports } from '../../src/prices/exports.js'
import { registerCompression } from '../../src/http/compression.js'
import { createServer } from '../../src/server.js'
import type { App } from '../../src/types.js'
import * as z from 'zod'
import { problemOf, problemShape, useApp } from '../app.js'

/** Some tenths of a second; more on a busy machine, where a client that reads steadily is slower too. */
const READ_MS = Math.round(130 * slowness())
const HANDLER_MS = Math.round(100 * slowness())
const STALL_MS = 150
const NEVER_MS = 60_000
/** Addresses of this machine: each is a client with a share of its own. */
const CLIENTS = ['127.0.0.1', '127.0.0.2', '127.0.0.3'] as const
type Client = (typeof CLIENTS)[number]
const MIB = 1024 * 1024
/** Random, so that it is as large when it is compressed. */
const TEXT = randomBytes(MIB)
const MORE = { symbol: 'IBM', date: '2023-01-03' }
const lengthOf = (part: unknown) => (Buffer.isBuffer(part) ? part.length : NaN)
const slices = (lines: Buffer) => writeLines(lines, { format: 'csv', columns: BAR_COLUMNS })
/** More than both ends' sockets hold back. */
const MANY = 64

describe('an export', () => {
  let app: App
  let origin: string
  let reads: number
  let logLines: string[]
  /** What comes after the first chunk. */
  let read: (count: number) => Promise<ExportChunk>
  const start = async ({ readMs, stallMs }: { readMs: number; stallMs: number }) => {
    reads = 0
    logLines = []
    read = async (count) => ({ text: TEXT, last: count < MANY ? MORE : null })
    const logger = createLogger({
      service: 'api',
      level: 'debug',
      output: { write: (line) => logLines.push(line) },
    })
    app = createServer({ logger, timeouts: { handlerMs: HANDLER_MS, readMs, checkMs: 50 } })
    await registerCompression(app)
    const exports = createExports(app, { stallMs })
    app.get('/', async (request, reply) => {
      const place = await exports.enter(clientAddressOf(request))
      const first = { text: TEXT, last: MORE }
      return exports.send(reply.type('text/csv'), place, {
        head: 'head',
        first,
        readAfter: async () => read((reads += 1)),
        write: slices,
      })
    })
    origin = await app.listen({ port: 0 })
  }
  // Of those tests that fill all places the clients are slow, but not stalled.
  beforeEach(() => start({ readMs: READ_MS, stallMs: NEVER_MS }))
  afterEach(() => app.close())

  const open = async (
    acceptEncoding = 'identity',
    localAddress: Client = CLIENTS[0],
  ): Promise<IncomingMessage> => {
    const request = get(origin, {
      agent: false,
      localAddress,
      headers: { 'accept-encoding': acceptEncoding },
    })
    return new Promise((resolve, reject) => request.once('response', resolve).once('error', reject))
  }
  /** Two of each of two clients. */
  const openFour = (encoding?: string) => {
    const [one, other] = CLIENTS
    return Promise.all([one, other, one, other].map((client) => open(encoding, client)))
  }
  const connections = () =>
    new Promise<number>((resolve, reject) =>
      app.server.getConnections((error, count) => (error === null ? resolve(count) : reject(error))),
    )
  const faults = () => logLines.filter((line) => /"level":"(?:error|fatal)"/.test(line))
  /** As many as may be can be had again: none of those before is left. */
  const expectRoom = async () => {
    read = async () => ({ text: null, last: null })
    await waitFor(
      async () => {
        const answers = await openFour()
        await Promise.all(answers.map((answer) => text(answer)))
        return answers.every((answer) => answer.statusCode === 200)
      },
      { deadlineMs: 5_000 },
    )
  }

  test('has all its chunks in order', async () => {
    read = async (count) => ({ text: Buffer.from(`chunk ${count},`), last: count < 5 ? MORE : null })
    const body = await buffer(await open())
    expect(body.subarray(4 + MIB).toString()).toBe('chunk 1,chunk 2,chunk 3,chunk 4,chunk 5,')
    expect(body.subarray(0, 4).toString()).toBe('head')
    await expectRoom()
  })

  test('goes on longer than a handler may and a stalled client could, as long as it is read', async () => {
    const answer = await open()
    const startedAt = performance.now()
    let bytes = 0
    for await (const part of answer) {
      bytes += lengthOf(part)
      if (performance.now() - startedAt < 3 * READ_MS) await sleep(2)
    }
    expect(bytes).toBe(4 + (MANY + 1) * MIB)
    expect(faults()).toStrictEqual([])
  })

  test('goes on for a client that takes a chunk slowly, but goes on taking it', async () => {
    const large = randomBytes(16 * MIB)
    read = async (count) => ({ text: large, last: count < 3 ? MORE : null })
    const answer = await open()
    let bytes = 0
    for await (const part of answer) {
      bytes += lengthOf(part)
      // 4 MB or so in READ_MS.
      await sleep(6)
    }
    expect(bytes).toBe(4 + MIB + 3 * large.length)
  })

  test('reads one chunk ahead of its client and no more', async () => {
    read = async () => ({ text: TEXT, last: MORE })
    const answer = await open()
    let taken = 0
    for await (const part of answer) {
      taken += lengthOf(part)
      // On the way: one in the stream, one being written, and what the sockets hold.
      expect(reads).toBeLessThan(taken / MIB + 20)
      if (taken > 40 * MIB) break
    }
    await expectRoom()
  })

  test.each(['identity', 'gzip', 'br'])(
    'reads nothing any more once its client has left: %s',
    async (encoding) => {
      read = async () => ({ text: TEXT, last: MORE })
      const answers = await openFour(encoding)
      for (const answer of answers) {
        await once(answer, 'data')
        answer.destroy()
      }
      await expectRoom()
      expect(faults()).toStrictEqual([])
    },
  )

  test('is given up when its client leaves while the first chunk is read', async () => {
    const exports = createExports(
      createServer({ logger: createLogger({ service: 'api', level: 'fatal', output: { write: () => {} } }) }),
    )
    for (let times = 0; times < 8; times += 1) {
      const late = createServer({
        logger: createLogger({ service: 'api', level: 'fatal', output: { write: () => {} } }),
      })
      late.get('/', async (request, reply) => {
        const place = await exports.enter(clientAddressOf(request))
        await new Promise((resolve) => request.raw.socket.once('close', resolve))
        return exports.send(reply, place, {
          head: '',
          first: { text: TEXT, last: MORE },
          readAfter: async () => read(1),
          write: slices,
        })
      })
      const socket = connect(Number(new URL(await late.listen({ port: 0 })).port), '127.0.0.1')
      socket.end('GET / HTTP/1.1\r\nHost: a\r\n\r\n').resume()
      socket.destroySoon()
      await once(socket, 'close')
      await late.close()
    }
    await expect(exports.enter(CLIENTS[0])).resolves.toBeDefined()
  })

  test.each(['identity', 'br'])('is cut off when its client does not read: %s', async (encoding) => {
    read = async () => ({ text: TEXT, last: MORE })
    const socket = connect(Number(new URL(origin).port), '127.0.0.1')
    socket.write(`GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: ${encoding}\r\n\r\n`)
    await once(socket, 'readable')
    await waitFor(async () => (await connections()) === 0, { deadlineMs: 10_000 })
    const before = reads
    await sleep(50)
    expect(reads).toBe(before)
    socket.destroy()
    await expectRoom()
  })

  test('is cut off when its client does not read the last of it', async () => {
    read = async () => ({ text: Buffer.alloc(MANY * MIB), last: null })
    const socket = connect(Number(new URL(origin).port), '127.0.0.1')
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await once(socket, 'readable')
    await waitFor(async () => (await connections()) === 0, { deadlineMs: 10_000 })
    expect(reads).toBe(1)
    socket.destroy()
    await expectRoom()
  })

  test.each(['identity', 'gzip', 'br'])(
    'is cut off by an error in its middle, lest it be taken for the whole: %s',
    async (encoding) => {
      read = async (count) => {
        if (count === 3) throw new Error('the database is gone')
        return { text: TEXT, last: MORE }
      }
      await expect(buffer(await open(encoding))).rejects.toThrow('aborted')
      expect(logLines.filter((line) => line.includes('the database is gone'))).toHaveLength(1)
      await expectRoom()
    },
  )

  test('is one of four at a time: the fifth is 503 with Retry-After', async () => {
    const answers = await openFour()
    const fifth = await open('identity', CLIENTS[2])
    const problem = problemShape.parse(JSON.parse(await text(fifth)))
    expect([fifth.statusCode, fifth.headers['retry-after']]).toStrictEqual([503, '5'])
    expect(problem.detail).toContain('4 exports')
    for (const answer of answers) answer.destroy()
    await expectRoom()
  })

  test('is one of two of its address: the third is 429 with Retry-After, and others have their places', async () => {
    const [client, other] = CLIENTS
    const answers = await Promise.all([open('identity', client), open('identity', client)])
    const third = await app.inject('/')
    expect(problemOf(third, 429).detail).toContain('2 exports of your address')
    expect(third.headers['retry-after']).toBe('5')
    const others = await Promise.all([open('identity', other), open('identity', other)])
    expect(others.map((answer) => answer.statusCode)).toStrictEqual([200, 200])
    for (const answer of [...answers, ...others]) answer.destroy()
    await expectRoom()
  })

  /** With no other end for who does not read. */
  const startWithoutDeadline = async () => {
    await app.close()
    await start({ readMs: NEVER_MS, stallMs: STALL_MS })
    read = async () => ({ text: TEXT, last: MORE })
  }

  test.each(['identity', 'br'])(
    'that nobody reads loses its place to who asks for one, the longest unread first: %s',
    async (encoding) => {
      await startWithoutDeadline()
      const unread = await openFour(encoding)
      const ends = unread.map(async (answer) => {
        await once(answer, 'error')
      })
      const isRead: boolean[] = []
      // Two that are read, of a third client.
      await waitFor(
        async () => {
          const answers = await Promise.all([open(encoding, CLIENTS[2]), open(encoding, CLIENTS[2])])
          isRead.push(answers.every((answer) => answer.statusCode === 200))
          for (const answer of answers) answer.destroy()
          return isRead.at(-1) === true
        },
        { deadlineMs: 5_000 },
      )
      for (const answer of unread) answer.resume()
      await Promise.any(ends)
      expect(isRead.at(-1)).toBe(true)
      for (const answer of unread) answer.destroy()
      await expectRoom()
    },
  )

  test('that nobody reads loses its place to another of its address, and none to it but that', async () => {
    await startWithoutDeadline()
    const [client, other] = CLIENTS
    const [unread, taken] = [await open('identity', client), await open('identity', client)]
    const others = await open('identity', other)
    // A connection that is reset reports an error before it closes, or only closes.
    const isClosed = new Promise((resolve) => unread.socket.once('close', resolve))
    unread.on('error', () => {})
    taken.resume()
    await waitFor(
      async () => {
        const third = await open('identity', client)
        third.destroy()
        return third.statusCode === 200
      },
      { deadlineMs: 5_000 },
    )
    // Who does not read does not see the end either.
    unread.resume()
    await isClosed
    expect([taken.socket.destroyed, others.socket.destroyed]).toStrictEqual([false, false])
    for (const answer of [taken, others]) answer.destroy()
    await expectRoom()
  })

  test('takes its place until its last statement has ended, although its client has left', async () => {
    const statements = new AbortController()
    const ended = once(statements.signal, 'abort')
    read = async () => {
      await ended
      return { text: TEXT, last: MORE }
    }
    for (const answer of await openFour()) {
      await once(answer, 'data')
      answer.destroy()
    }
    await waitFor(async () => (await connections()) === 0, { deadlineMs: 5_000 })
    expect(problemOf(await app.inject('/'), 429).detail).toContain('2 exports')
    const begun = reads
    statements.abort()
    await expectRoom()
    // Four more, of the exports that asked for room; none of those that had been left.
    expect(reads).toBe(begun + 4)
  })

  test('gives its place back when its client left before its turn on the connection came', async () => {
    const socket = connect(Number(new URL(origin).port), '127.0.0.1')
    // Answered one after the other: what stands behind the first is begun, and waits.
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(4))
    await once(socket, 'readable')
    await waitFor(async () => (await app.inject('/')).statusCode === 429, { deadlineMs: 5_000 })
    expect(problemOf(await app.inject('/'), 429).detail).toContain('2 exports')
    socket.resetAndDestroy()
    await expectRoom()
  })

  test('does not hold up the end of the process', async () => {
    const answer = await open()
    await Promise.all([expect(buffer(answer)).rejects.toThrow('aborted'), app.close()])
  })
})

describe('an export from the database', () => {
  const context = useApp({ shared: true })

  test('has every bar once, in order, although it is read in parts', async () => {
    // Each symbol's last row is a chunk's, and of some the last chunk is the last of all.
    await context.db.execute(`
      INSERT INTO financial_data (symbol, date, open_price, high_price, low_price, close_price, volume)
      SELECT (ARRAY['=A B', '@S', 'S1'])[1 + day % 3], DATE '1900-01-01' + day, 1, 1, 1, 1, day FROM generate_series(1, 30000) AS day`)
    const linesOf = async (query: string) =>
      (await context.app.inject(`/api/financial_data?${query}`)).body.split(/\r?\n/).slice(0, -1)
    const [, ...rows] = await linesOf('format=csv')
    // Without the apostrophe of those that look like formulas.
    const keys = rows.map((row) => row.replace(/^'/, '').split(',').slice(0, 2).join(' '))
    expect(keys).toStrictEqual([...new Set(keys)].toSorted())
    expect(keys).toHaveLength(30_000)

    const keyOf = (line: string) => {
      const { symbol, date } = z.object({ symbol: z.string(), date: z.string() }).parse(JSON.parse(line))
      return `${symbol} ${date}`
    }
    expect((await linesOf('format=ndjson')).map(keyOf)).toStrictEqual(keys)
    expect((await linesOf('format=ndjson&order=desc')).map(keyOf)).toStrictEqual(keys.toReversed())
    expect((await linesOf('format=ndjson&symbol=S1')).map(keyOf)).toStrictEqual(
      keys.filter((key) => key.startsWith('S1')),
    )
    // Lines that do not say where they are go on as well.
    for (const [name, column] of [
      ['symbol', 0],
      ['date', 1],
      ['volume', 6],
    ] as const)
      expect((await linesOf(`format=csv&fields=${name}`)).slice(1)).toStrictEqual(
        rows.map((row) => row.split(',')[column]),
      )
  })

  test('that fails before it begins is a problem like any other', async () => {
    await context.db.execute('ALTER TABLE financial_data RENAME TO away')
    const answer = await context.app.inject('/api/financial_data?format=csv')
    await context.db.execute('ALTER TABLE away RENAME TO financial_data')
    expect(problemOf(answer, 500).status).toBe(500)
    for (const header of ['etag', 'cache-control', 'content-disposition'])
      expect(answer.headers).not.toHaveProperty(header)
  })
})
