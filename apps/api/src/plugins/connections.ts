import type { Socket } from 'node:net'
import type { App } from '../server.js'

/**
 * Ends, once the app closes, each connection without a request under way. Node itself ends those that are idle after
 * an answer, but waits for those that never asked, such as browsers open ahead, and no longer times them out.
 */
export function registerConnections(app: App): void {
  const underWay = new Map<Socket, number>()
  let closing = false
  app.server.on('connection', (socket: Socket) => {
    if (closing) {
      socket.destroy()
      return
    }
    underWay.set(socket, 0)
    socket.once('close', () => underWay.delete(socket))
  })
  app.server.on('request', ({ socket }, response) => {
    underWay.set(socket, (underWay.get(socket) ?? 0) + 1)
    response.once('close', () => {
      const left = (underWay.get(socket) ?? 1) - 1
      if (underWay.has(socket)) underWay.set(socket, left)
      if (closing && left === 0) socket.destroySoon()
    })
  })
  app.addHook('preClose', async () => {
    closing = true
    for (const [socket, requests] of underWay) if (requests === 0) socket.destroy()
  })
}
