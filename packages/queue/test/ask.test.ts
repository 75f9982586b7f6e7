import { createServer } from 'node:net'
import type { Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import { QueueTimeoutError } from '../src/ask.js'
import type { Backend } from '../src/backend.js'
import { pingQueue, QUEUE_DOWN, queueProblem } from '../src/health.js'
import { enqueue } from '../src/jobs.js'
import { openQueue } from '../src/queue.js'
import { item } from './queue-in-test.js'

describe('a queue that is away', () => {
  test.each([
    ['refuses connections', 0],
    ['accepts and says nothing', 1],
  ])('neither fails to open nor holds anybody longer than asked: one that %s', async (_what, accepts) => {
    const sockets: Socket[] = []
    const server = createServer((socket) => sockets.push(socket))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('not listening')
    const { port } = address
    if (accepts === 0) await new Promise((resolve) => server.close(resolve))
    const backend: Backend = { kind: 'redis', url: `redis://127.0.0.1:${port}` }
    const queue = openQueue({ backend, onError: () => {} })
    try {
      const startedAt = performance.now()
      await expect(enqueue(queue.handle, [item(1)], 300)).rejects.toThrow(QueueTimeoutError)
      await expect(pingQueue(queue.handle, 300)).rejects.toThrow(/./)
      await expect(queueProblem(queue.handle, 300)).resolves.toBe(QUEUE_DOWN)
      expect(performance.now() - startedAt).toBeLessThan(1_500)
    } finally {
      await queue.close()
      for (const socket of sockets) socket.destroy()
      server.close()
    }
  })
})
