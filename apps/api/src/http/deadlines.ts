import type { FastifyReply } from 'fastify'
import type { Socket } from 'node:net'
import { unavailable } from './problem.js'
import type { App } from '../types.js'

export interface RequestsUnderWay {
  /** The newest request of a connection that has arrived whole and is not answered to its end. */
  newestOf(socket: Socket): FastifyReply | undefined
}

/**
 * Answers every request in time, and ends the connections once the app closes.
 *
 * A request that has arrived whole gets a 503 when its answer is not begun after `handlerMs`; Node's requestTimeout ends
 * requests that do not arrive. One timer looks at all requests each `checkMs`: Fastify's handlerTimeout makes a timer, a
 * signal and a listener for each request, which is a tenth of the cost of a small answer.
 *
 * A server that closes ends connections that are idle after an answer, but waits without a timeout for connections without
 * any request, such as those that browsers open ahead. The hook before the close ends them.
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
    // A request of `inject` has no connection.
    if (closing && connections.has(socket) && !socketsInUse(replies).has(socket)) socket.destroySoon()
    done()
  })
  // Fastify calls no onResponse for a client that left. Of requests that waited behind another on such a connection Node
  // reports nothing at all: this event tells code that waits for the end of their answers, such as an export.
  const forget = (reply: FastifyReply) => {
    replies.delete(reply)
    if (!reply.raw.destroyed) reply.raw.destroy().emit('close')
  }
  const timer = setInterval(() => {
    for (const reply of replies) {
      if (reply.raw.destroyed || reply.request.raw.socket.destroyed) forget(reply)
      // Node checks its requestTimeout no more once the app closes, so that requests that did not arrive end here too.
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

/** Whether the answer is begun. A body that is being compressed has its headers set, but not sent. */
function isBegun({ sent, raw }: FastifyReply): boolean {
  return sent || raw.headersSent || raw.getHeaderNames().length > 0
}

function socketsInUse(replies: Iterable<FastifyReply>): Set<Socket> {
  return new Set(Array.from(replies, (reply) => reply.request.raw.socket))
}
