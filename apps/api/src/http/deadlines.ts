import type { FastifyReply } from 'fastify'
import type { Socket } from 'node:net'
import { unavailable } from './problem.js'
import type { App } from '../types.js'

export interface RequestsUnderWay {
  /** The newest whole request of a connection that is still to be answered, or is being answered. */
  newestOf(socket: Socket): FastifyReply | undefined
}

/**
 * Answers every request in time, and ends its connection once the app closes.
 *
 * A whole request whose answer is not begun after `handlerMs` gets a 503; for one that is still on its way there is Node's
 * requestTimeout. Fastify's own handlerTimeout makes a timer, a signal and a listener for each request, a tenth of what a
 * small answer costs; here one look each `checkMs` is for all.
 *
 * Node itself ends connections that are idle after an answer, but waits for those that never asked, such as browsers open
 * ahead, and no longer times them out.
 */
export function registerRequestsUnderWay(
  app: App,
  { handlerMs, checkMs }: { handlerMs: number; checkMs: number },
): RequestsUnderWay {
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
    // One of `inject` has no connection.
    if (closing && connections.has(socket) && !socketsInUse(replies).has(socket)) socket.destroySoon()
    done()
  })
  // Of a client that left there is no onResponse. And of what it had asked for behind a request that was still being answered
  // Node says nothing at all, though it is answered to nobody: who waits for its end, as exports do, is told here.
  const forget = (reply: FastifyReply) => {
    replies.delete(reply)
    if (!reply.raw.destroyed) reply.raw.destroy().emit('close')
  }
  const timer = setInterval(() => {
    for (const reply of replies) {
      if (reply.raw.destroyed || reply.request.raw.socket.destroyed) forget(reply)
      // Once the app closes Node looks at its timeouts no more.
      else if (reply.elapsedTime > handlerMs && (reply.request.raw.complete || closing) && !isBegun(reply))
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
  return {
    newestOf: (socket) =>
      [...replies].findLast(({ request: { raw } }) => raw.socket === socket && raw.complete),
  }
}

/** Handed over at least: a body that is being compressed has its headers, but has not sent them. */
function isBegun({ sent, raw }: FastifyReply): boolean {
  return sent || raw.headersSent || raw.getHeaderNames().length > 0
}

function socketsInUse(replies: Iterable<FastifyReply>): Set<Socket> {
  return new Set(Array.from(replies, (reply) => reply.request.raw.socket))
}
