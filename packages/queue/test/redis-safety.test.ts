import { ownRedis } from '@stockpile/test-harness/redis-server'
import { describe, expect, test } from 'vitest'
import { assertSafe, judgeRedis, UnsafeRedisError } from '../src/redis-safety.js'

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

  test('may be away: nothing needs it at the start', async () => {
    const doubts: string[] = []
    await assertSafe({ kind: 'redis', url: 'redis://127.0.0.1:1' }, (doubt) => doubts.push(doubt))
    expect(doubts).toEqual([expect.stringContaining('does not answer')])
  })
})
