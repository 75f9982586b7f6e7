import { describe, expect, test } from 'vitest'
import * as z from 'zod'
import { useApp } from '../app.js'

describe('who knows the host alone', () => {
  const context = useApp({ shared: true })

  test('finds at /api where everything is, each of which answers', async () => {
    const answer = await context.app.inject('/api')
    const { data, info } = z
      .object({ data: z.record(z.string(), z.string()), info: z.object({ error: z.literal('') }) })
      .parse(answer.json())
    expect(info).toStrictEqual({ error: '' })
    for (const path of Object.values(data)) {
      const { statusCode } = await context.app.inject(path)
      // Statistics need a symbol and a range.
      expect([200, 302, path === '/api/statistics' ? 400 : 200]).toContain(statusCode)
    }
    expect((await context.app.inject({ method: 'HEAD', url: '/api' })).statusCode).toBe(200)
  })

  test('gets an icon, as every browser asks for one', async () => {
    const { statusCode, headers, rawPayload } = await context.app.inject('/favicon.ico')
    expect([statusCode, headers['content-type']]).toStrictEqual([200, 'image/x-icon'])
    expect([...rawPayload.subarray(0, 4)]).toStrictEqual([0, 0, 1, 0])
  })
})
