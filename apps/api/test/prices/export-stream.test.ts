import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { createLogger } from '@stockpile/log/logger'
import { waitFor } from '@stockpile/test-harness/process'
import { describe, expect, test } from 'vitest'
import { clientAddressOf } from '../../src/http/client-address.js'
import { createExportPlaces } from '../../src/prices/export-places.js'
import { streamExport } from '../../src/prices/export-stream.js'
import { createServer } from '../../src/server.js'
import { CLIENTS, MANY, MIB, MORE, READ_MS, slices, TEXT, useExportApp } from './export-app.js'

const lengthOf = (part: unknown) => (Buffer.isBuffer(part) ? part.length : NaN)

describe('an export', () => {
  const context = useExportApp()

  test('has all its chunks in order', async () => {
    context.read = async (count) => ({ text: Buffer.from(`chunk ${count},`), last: count < 5 ? MORE : null })
    const body = await buffer(await context.open())
    expect(body.subarray(4 + MIB).toString()).toBe('chunk 1,chunk 2,chunk 3,chunk 4,chunk 5,')
    expect(body.subarray(0, 4).toString()).toBe('head')
    await context.expectRoom()
  })

  test('goes on longer than a handler may and a stalled client could, as long as it is read', async () => {
    const answer = await context.open()
    const startedAt = performance.now()
    let bytes = 0
    for await (const part of answer) {
      bytes += lengthOf(part)
      if (performance.now() - startedAt < 3 * READ_MS) await sleep(2)
    }
    expect(bytes).toBe(4 + (MANY + 1) * MIB)
    expect(context.faults()).toStrictEqual([])
  })

  test('goes on for a client that takes a chunk slowly, but goes on taking it', async () => {
    const large = randomBytes(16 * MIB)
    context.read = async (count) => ({ text: large, last: count < 3 ? MORE : null })
    const answer = await context.open()
    let bytes = 0
    for await (const part of answer) {
      bytes += lengthOf(part)
      // At this pace the client takes some 4 MB in READ_MS.
      await sleep(6)
    }
    expect(bytes).toBe(4 + MIB + 3 * large.length)
  })

  test('reads one chunk ahead of its client and no more', async () => {
    context.read = async () => ({ text: TEXT, last: MORE })
    const answer = await context.open()
    let taken = 0
    for await (const part of answer) {
      taken += lengthOf(part)
      // The stream holds one chunk, one is being written, and the sockets hold several.
      expect(context.reads).toBeLessThan(taken / MIB + 20)
      if (taken > 40 * MIB) break
    }
    await context.expectRoom()
  })

  test.each(['identity', 'gzip', 'br'])(
    'reads nothing any more once its client has left: %s',
    async (encoding) => {
      context.read = async () => ({ text: TEXT, last: MORE })
      const answers = await context.openFour(encoding)
      for (const answer of answers) {
        await once(answer, 'data')
        answer.destroy()
      }
      await context.expectRoom()
      expect(context.faults()).toStrictEqual([])
    },
  )

  test('is given up when its client leaves while the first chunk is read', async () => {
    const places = createExportPlaces(
      createServer({ logger: createLogger({ service: 'api', level: 'fatal', output: { write: () => {} } }) }),
    )
    for (let times = 0; times < 8; times += 1) {
      const late = createServer({
        logger: createLogger({ service: 'api', level: 'fatal', output: { write: () => {} } }),
      })
      late.get('/', async (request, reply) => {
        const place = await places.enter(clientAddressOf(request))
        await new Promise((resolve) => request.raw.socket.once('close', resolve))
        return streamExport(reply, place, {
          head: '',
          first: { text: TEXT, last: MORE },
          readAfter: async () => context.read(1),
          write: slices,
        })
      })
      const socket = connect(Number(new URL(await late.listen({ port: 0 })).port), '127.0.0.1')
      socket.end('GET / HTTP/1.1\r\nHost: a\r\n\r\n').resume()
      socket.destroySoon()
      await once(socket, 'close')
      await late.close()
    }
    await expect(places.enter(CLIENTS[0])).resolves.toBeDefined()
  })

  test.each(['identity', 'br'])('is cut off when its client does not read: %s', async (encoding) => {
    context.read = async () => ({ text: TEXT, last: MORE })
    const socket = connect(Number(new URL(context.origin).port), '127.0.0.1')
    socket.write(`GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: ${encoding}\r\n\r\n`)
    await once(socket, 'readable')
    await waitFor(async () => (await context.connections()) === 0, { deadlineMs: 10_000 })
    const before = context.reads
    await sleep(50)
    expect(context.reads).toBe(before)
    socket.destroy()
    await context.expectRoom()
  })

  test('is cut off when its client does not read the last of it', async () => {
    context.read = async () => ({ text: Buffer.alloc(MANY * MIB), last: null })
    const socket = connect(Number(new URL(context.origin).port), '127.0.0.1')
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await once(socket, 'readable')
    await waitFor(async () => (await context.connections()) === 0, { deadlineMs: 10_000 })
    expect(context.reads).toBe(1)
    socket.destroy()
    await context.expectRoom()
  })

  test.each(['identity', 'gzip', 'br'])(
    'is cut off by an error in its middle, lest it be taken for the whole: %s',
    async (encoding) => {
      context.read = async (count) => {
        if (count === 3) throw new Error('the database is gone')
        return { text: TEXT, last: MORE }
      }
      await expect(buffer(await context.open(encoding))).rejects.toThrow('aborted')
      expect(context.logLines.filter((line) => line.includes('the database is gone'))).toHaveLength(1)
      await context.expectRoom()
    },
  )

  test('does not hold up the end of the process', async () => {
    const answer = await context.open()
    await Promise.all([expect(buffer(answer)).rejects.toThrow('aborted'), context.app.close()])
  })
})
