import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { createFairQueue, NotAdmittedError } from '../../src/http/fair-queue.js'

const LIMITS = { atOnce: 2, waiting: 4, waitingOfAClient: 3, waitMs: 60_000 }

/** Makes work that ends when a test tells it to, and keeps the order in which it began. */
function workshop(limits: Partial<typeof LIMITS> = {}) {
  const turns = createFairQueue({ ...LIMITS, ...limits })
  const begun: string[] = []
  const ends = new Map<string, () => void>()
  const ask = (client: string, name: string, takes?: number) =>
    turns.run(
      client,
      async () => {
        begun.push(name)
        await new Promise<void>((resolve) => ends.set(name, resolve))
        return name
      },
      takes,
    )
  const end = async (name: string) => {
    ends.get(name)?.()
    await sleep(0)
  }
  return { turns, begun, ask, end }
}
const reasonOf = async (work: Promise<unknown>) => {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  return error instanceof NotAdmittedError ? error.reason : error
}

describe('turns', () => {
  test('are given to a few at once, and to who waits before a client that has one already', async () => {
    const { begun, ask, end } = workshop()
    const work = [ask('a', 'a1'), ask('a', 'a2'), ask('a', 'a3'), ask('a', 'a4'), ask('b', 'b1')]
    expect(begun).toStrictEqual(['a1', 'a2'])
    await end('a1')
    expect(begun).toStrictEqual(['a1', 'a2', 'b1'])
    await end('a2')
    // No work of another client waits any more.
    expect(begun).toStrictEqual(['a1', 'a2', 'b1', 'a3'])
    await end('b1')
    await end('a3')
    await end('a4')
    await expect(Promise.all(work)).resolves.toStrictEqual(['a1', 'a2', 'a3', 'a4', 'b1'])
  })

  test('are waited for by so many of a client, and so many of all', async () => {
    const { begun, ask, end } = workshop()
    const work = ['a1', 'a2', 'a3', 'a4', 'a5'].map((name) => ask('a', name))
    await expect(reasonOf(ask('a', 'a6'))).resolves.toBe('client')
    work.push(ask('b', 'b1'))
    await expect(reasonOf(ask('b', 'b2'))).resolves.toBe('all')
    for (const name of ['a1', 'a2', 'b1', 'a3', 'a4', 'a5']) await end(name)
    await Promise.all(work)
    expect(begun).not.toContain('a6')
  })

  test('are waited for so long, and not given to who has given up', async () => {
    const { begun, ask, end } = workshop({ waitMs: 20 })
    const work = [ask('a', 'a1'), ask('a', 'a2')]
    await expect(reasonOf(ask('b', 'b1'))).resolves.toBe('late')
    await end('a1')
    await end('a2')
    await Promise.all(work)
    const last = ask('b', 'b2')
    expect(begun).toStrictEqual(['a1', 'a2', 'b2'])
    await end('b2')
    await last
  })

  test('of which work takes several are had by it alone, and nobody overtakes it meanwhile', async () => {
    const { begun, ask, end } = workshop()
    const work = [ask('a', 'a1'), ask('b', 'b-long', 2), ask('c', 'c1')]
    expect(begun).toStrictEqual(['a1'])
    await end('a1')
    expect(begun).toStrictEqual(['a1', 'b-long'])
    await end('b-long')
    expect(begun).toStrictEqual(['a1', 'b-long', 'c1'])
    await end('c1')
    await Promise.all(work)
  })

  test('are had by each client in turn, however much one asks for', async () => {
    const { begun, ask, end } = workshop({ waiting: 8 })
    const work = ['a1', 'a2', 'a3', 'a4'].map((name) => ask('a', name, 2))
    work.push(ask('b', 'b1'), ask('c', 'c1', 2))
    for (const name of ['a1', 'b1', 'c1', 'a2', 'a3', 'a4']) await end(name)
    await Promise.all(work)
    expect(begun).toStrictEqual(['a1', 'b1', 'c1', 'a2', 'a3', 'a4'])
  })

  test('are not kept free for work that has to wait, when another client is the next', async () => {
    const { begun, ask, end } = workshop()
    const work = [ask('a', 'a1'), ask('a', 'a-long', 2), ask('c', 'c1')]
    await sleep(0)
    expect(begun).toStrictEqual(['a1', 'c1'])
    for (const name of ['a1', 'c1', 'a-long']) await end(name)
    await Promise.all(work)
  })

  test('are had by the others once work that waited for several has given up', async () => {
    const { begun, ask, end } = workshop({ waitMs: 20 })
    const first = ask('a', 'a1')
    const long = reasonOf(ask('b', 'b-long', 2))
    await sleep(5)
    const other = ask('c', 'c1')
    await expect(long).resolves.toBe('late')
    expect(begun).toStrictEqual(['a1', 'c1'])
    await end('a1')
    await end('c1')
    await Promise.all([first, other])
  })

  test('end with their work, whether it succeeds or not', async () => {
    const { turns } = workshop({ atOnce: 1 })
    const failing = async () => Promise.reject(new Error('no such table'))
    await expect(turns.run('a', failing)).rejects.toThrow('no such table')
    await expect(turns.run('a', async () => 'done')).resolves.toBe('done')
  })
})
