import type { Socket } from 'node:net'
import type { App } from '../types.js'

/** What a client has to take of its answer in `readMs`: in 30 s some 1 KB a second, less than any modem does. */
const MIN_BYTES = 32 * 1024

/**
 * Ends connections whose client does not read its answers. Node has no limit for it: what they do not take stays in
 * memory, and a stream behind it keeps its database connection, for as long as they like.
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
      // All that was written, but for what still waits in this process.
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
