import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { waitFor } from '@stockpile/test-harness/process'
import { describe, expect, test } from 'vitest'
import { problemOf, problemShape } from '../app.js'
import { CLIENTS, MORE, NEVER_MS, TEXT, useExportApp } from './export-app.js'

const STALL_MS = 150

describe('an export', () => {
  const context = useExportApp()

  test('is one of four at a time: the fifth is 503 with Retry-After', async () => {
    const answers = await context.openFour()
    const fifth = await context.open('identity', CLIENTS[2])
    const problem = problemShape.parse(JSON.parse(await text(fifth)))
    expect([fifth.statusCode, fifth.headers['retry-after']]).toStrictEqual([503, '5'])
    expect(problem.detail).toContain('4 exports')
    for (const answer of answers) answer.destroy()
    await context.expectRoom()
  })

  test('is one of two of its address: the third is 429 with Retry-After, and others have their places', async () => {
    const [client, other] = CLIENTS
    const answers = await Promise.all([context.open('identity', client), context.open('identity', client)])
    const third = await context.app.inject('/')
    expect(problemOf(third, 429).detail).toContain('2 exports of your address')
    expect(third.headers['retry-after']).toBe('5')
    const others = await Promise.all([context.open('identity', other), context.open('identity', other)])
    expect(others.map((answer) => answer.statusCode)).toStrictEqual([200, 200])
    for (const answer of [...answers, ...others]) answer.destroy()
    await context.expectRoom()
  })

  /** Restarts the app so that nothing but the loss of its place ends an export that nobody reads. */
  const startWithoutDeadline = async () => {
    await context.restart({ readMs: NEVER_MS, stallMs: STALL_MS })
    context.read = async () => ({ text: TEXT, last: MORE })
  }

  test.each(['identity', 'br'])(
    'that nobody reads loses its place to who asks for one, the longest unread first: %s',
    async (encoding) => {
      await startWithoutDeadline()
      const unread = await context.openFour(encoding)
      const ends = unread.map(async (answer) => {
        await once(answer, 'error')
      })
      const isRead: boolean[] = []
      // A third client asks for two exports and reads them.
      await waitFor(
        async () => {
          const answers = await Promise.all([
            context.open(encoding, CLIENTS[2]),
            context.open(encoding, CLIENTS[2]),
          ])
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
      await context.expectRoom()
    },
  )

  test('that nobody reads loses its place to another of its address, and none to it but that', async () => {
    await startWithoutDeadline()
    const [client, other] = CLIENTS
    const [unread, taken] = [await context.open('identity', client), await context.open('identity', client)]
    const others = await context.open('identity', other)
    // A connection that is reset reports an error before it closes, or only closes.
    const isClosed = new Promise((resolve) => unread.socket.once('close', resolve))
    unread.on('error', () => {})
    taken.resume()
    await waitFor(
      async () => {
        const third = await context.open('identity', client)
        third.destroy()
        return third.statusCode === 200
      },
      { deadlineMs: 5_000 },
    )
    // A client that does not read does not see the end of its connection either.
    unread.resume()
    await isClosed
    expect([taken.socket.destroyed, others.socket.destroyed]).toStrictEqual([false, false])
    for (const answer of [taken, others]) answer.destroy()
    await context.expectRoom()
  })

  test('takes its place until its last statement has ended, although its client has left', async () => {
    const statements = new AbortController()
    const ended = once(statements.signal, 'abort')
    context.read = async () => {
      await ended
      return { text: TEXT, last: MORE }
    }
    for (const answer of await context.openFour()) {
      await once(answer, 'data')
      answer.destroy()
    }
    await waitFor(async () => (await context.connections()) === 0, { deadlineMs: 5_000 })
    expect(problemOf(await context.app.inject('/'), 429).detail).toContain('2 exports')
    const begun = context.reads
    statements.abort()
    await context.expectRoom()
    // The four exports of expectRoom read one chunk each; the exports that were left read none.
    expect(context.reads).toBe(begun + 4)
  })

  test('gives its place back when its client left before its turn on the connection came', async () => {
    const socket = connect(Number(new URL(context.origin).port), '127.0.0.1')
    // Requests of one connection are answered in turn: the second export takes its place, and waits for the first to end.
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(4))
    await once(socket, 'readable')
    await waitFor(async () => (await context.app.inject('/')).statusCode === 429, { deadlineMs: 5_000 })
    expect(problemOf(await context.app.inject('/'), 429).detail).toContain('2 exports')
    socket.resetAndDestroy()
    await context.expectRoom()
  })
})
