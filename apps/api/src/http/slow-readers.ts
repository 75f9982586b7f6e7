import type { Socket } from 'node:net'
import type { App } from '../types.js'

/**
 * A client has to take this much of its answer in `readMs`: within 30 s that is some 1 KB a second, less than any modem
 * takes.
 */
const MIN_BYTES = 32 * 1024

/**
 * Ends connections whose client does not read its answers, for which Node has no limit: bytes that a client does not take
 * stay in memory, and a stream of them keeps its database connection.
 */
export function registerSlowReaders(
  app: App,
  { readMs, checkMs }: { readMs: number; checkMs: number },
): void {
  const sockets = new Map<Socket, { taken: number; since: number } | undefined>()
  app.server.on('connection', (socket: Socket) => {
    sockets.set(socket, undefined)
    socket.once('close', () => sockets.delete(socket))
  })
  const timer = setInterval(() => {
    const now = performance.now()
    for (const [socket, before] of sockets) {
      // bytesWritten includes the bytes that still wait in this process.
      const taken = socket.bytesWritten - socket.writableLength
      if (socket.writableLength === 0) sockets.set(socket, undefined)
      else if (before === undefined || taken - before.taken >= MIN_BYTES)
        sockets.set(socket, { taken, since: now })
      else if (now - before.since > readMs) socket.resetAndDestroy()
    }
  }, checkMs)
  timer.unref()
  app.addHook('onClose', async () => clearInterval(timer))
}
