import { waitFor } from '@stockpile/test-harness/process'
import { ownRedis } from '@stockpile/test-harness/redis-server'
import { Redis } from 'ioredis'
import { describe, expect, onTestFinished, test } from 'vitest'
import { openQueue } from '../src/queue.js'
import { assertSafe, judgeRedis, UnsafeRedisError, watchSafety } from '../src/redis-safety.js'

const DEADLINE_MS = 10_000

describe('a Redis that is to hold the queue', () => {
  test.each(['allkeys-lru', 'allkeys-lfu', 'allkeys-random', 'volatile-lru', 'volatile-ttl'])(
    'is refused with the eviction policy %s, saying what to set',
    (policy) => {
      const { refusal } = judgeRedis(`# Memory\r\nmaxmemory_policy:${policy}\r\nmaxmemory:0\r\n`)
      expect(refusal).toContain(`its maxmemory-policy is ${policy}`)
      expect(refusal).toContain('maxmemory-policy noeviction')
    },
  )

  test('is taken without an append-only file, with a word about it', () => {
    const judged = judgeRedis('maxmemory_policy:noeviction\r\naof_enabled:0\r\n')
    expect(judged.refusal).toBeNull()
    expect(judged.doubt).toContain('appendonly yes')
    expect(judgeRedis('maxmemory_policy:noeviction\r\naof_enabled:1\r\n')).toEqual({
      refusal: null,
      doubt: null,
    })
  })

  test('is not judged by what it does not tell', () => {
    expect(judgeRedis('# Memory\r\n')).toEqual({ refusal: null, doubt: null })
  })

  test('is asked itself', async ({ skip }) => {
    const redis = await ownRedis({ 'maxmemory-policy': 'allkeys-lru' })
    if (redis === null) return skip('there is no redis-server here')
    await expect(assertSafe({ kind: 'redis', url: redis.url }, () => {})).rejects.toThrow(/allkeys-lru/)
  })

  test('is refused when it refuses the password, which is not repeated', async ({ skip }) => {
    const redis = await ownRedis({ requirepass: 'right' })
    if (redis === null) return skip('there is no redis-server here')
    for (const url of [redis.url, redis.url.replace('//', '//:wrong@')]) {
      const refused = assertSafe({ kind: 'redis', url }, () => {})
      await expect(refused).rejects.toThrow(UnsafeRedisError)
      await expect(refused).rejects.not.toThrow(/wrong/)
    }
  })

  test('is not taken for one that is away when its user may not ask INFO', async ({ skip }) => {
    const redis = await ownRedis()
    if (redis === null) return skip('there is no redis-server here')
    const admin = new Redis(redis.url)
    onTestFinished(() => admin.disconnect())
    await admin.acl('SETUSER', 'queue', 'on', '>secret', '~*', '&*', '+@all', '-info')
    const doubts: string[] = []
    const url = redis.url.replace('//', '//queue:secret@')
    await assertSafe({ kind: 'redis', url }, (doubt) => doubts.push(doubt))
    expect(doubts).toEqual([expect.stringContaining('does not let this user ask INFO')])
  })

  test('is looked at again once it is there, and when another has taken its place', async ({ skip }) => {
    const late = await ownRedis()
    if (late === null) return skip('there is no redis-server here')
    const backend = { kind: 'redis', url: late.url } as const
    const unsafe: string[] = []
    const looks: Promise<void>[] = []
    const queue = openQueue({
      backend,
      onError: () => {},
      onConnect: () => looks.push(watchSafety(backend, ({ message }) => unsafe.push(message))),
    })
    onTestFinished(queue.close)
    await waitFor(() => looks.length === 1, { deadlineMs: DEADLINE_MS })
    await Promise.all(looks)
    expect(unsafe).toEqual([])
    await late.stop()
    await ownRedis({ port: new URL(late.url).port, 'maxmemory-policy': 'allkeys-lru' })
    await waitFor(() => looks.length === 2, { deadlineMs: DEADLINE_MS })
    await Promise.all(looks)
    expect(unsafe).toEqual([expect.stringContaining('allkeys-lru')])
  })

  test('may be away: nothing needs it at the start', async () => {
    const doubts: string[] = []
    await assertSafe({ kind: 'redis', url: 'redis://127.0.0.1:1' }, (doubt) => doubts.push(doubt))
    expect(doubts).toEqual([expect.stringContaining('does not answer')])
  })
})
