import type { FastifyReply } from 'fastify'
import type { Socket } from 'node:net'
import { unavailable } from '../problem.js'
import type { App } from '../server.js'

/**
 * Answers every request in time, and ends its connection once the app closes.
 *
 * A request whose answer is not begun after `handlerMs` gets a 503. Fastify's own handlerTimeout makes a timer, a signal and
 * a listener for each request, a tenth of what a small answer costs; here one look each `checkMs` is for all.
 *
 * Node itself ends connections that are idle after an answer, but waits for those that never asked, such as browsers open
 * ahead, and no longer times them out.
 */
export function registerInFlight(
  app: App,
  { handlerMs, checkMs }: { handlerMs: number; checkMs: number },
): void {
  const connections = new Set<Socket>()
  const replies = new Set<FastifyReply>()
  let closing = false
  app.server.on('connection', (socket: Socket) => {
    if (closing) {
      socket.destroy()
      return
    }
    connections.add(socket)
    socket.once('close', () => connections.delete(socket))
  })
  app.addHook('onRequest', (_request, reply, done) => {
    replies.add(reply)
    done()
  })
  app.addHook('onResponse', ({ raw: { socket } }, reply, done) => {
    replies.delete(reply)
    if (closing && !socketsInUse(replies).has(socket)) socket.destroySoon()
    done()
  })
  const timer = setInterval(() => {
    for (const reply of replies) {
      // The client left: there is no onResponse.
      if (reply.raw.destroyed) replies.delete(reply)
      else if (!reply.sent && !reply.raw.headersSent && reply.elapsedTime > handlerMs)
        reply.send(unavailable('The server'))
    }
  }, checkMs)
  timer.unref()
  app.addHook('preClose', async () => {
    closing = true
    for (const reply of replies) if (!reply.raw.headersSent) reply.header('connection', 'close')
    const inUse = socketsInUse(replies)
    for (const socket of connections) if (!inUse.has(socket)) socket.destroy()
  })
  app.addHook('onClose', async () => clearInterval(timer))
}

function socketsInUse(replies: Iterable<FastifyReply>): Set<Socket> {
  return new Set(Array.from(replies, (reply) => reply.request.raw.socket))
}
