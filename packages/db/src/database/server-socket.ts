import { connect } from 'node:net'
import type { Socket } from 'node:net'
import type { DatabaseAddress } from './database-url.js'

/** The folder of a Unix socket, where each server has its own by its port. */
export function socketPath({ host, port }: Pick<DatabaseAddress, 'host' | 'port'>): string | undefined {
  return host.startsWith('/') ? `${host}/.s.PGSQL.${port}` : undefined
}

/**
 * A socket on its way to the server. postgres.js takes such a maker, though its types do not know it; its own splits an
 * IPv6 address at the colons, and has no deadline for an answer.
 * @param silenceMs ends it when nothing came or went for so long: it owes an answer that will not come, since the server
 *   or the way there vanished without a word (a failover, a firewall)
 */
export function openSocket(address: DatabaseAddress, silenceMs: number | undefined): Socket {
  const { host, port } = address
  const path = socketPath(address)
  const socket = path === undefined ? connect({ host, port }) : connect(path)
  if (silenceMs !== undefined) endWhenSilent(socket, silenceMs)
  // TLS names and checks the server by it.
  return Object.assign(socket, { host, port })
}

function endWhenSilent(socket: Socket, silenceMs: number): void {
  let bytes = -1
  let since = 0
  const timer = setInterval(() => {
    const seen = socket.bytesRead + socket.bytesWritten
    if (seen !== bytes) {
      bytes = seen
      since = performance.now()
    } else if (performance.now() - since > silenceMs) socket.destroy()
    // Not by an event: for TLS postgres.js takes all listeners off.
    if (socket.destroyed) clearInterval(timer)
  }, silenceMs / 20)
  timer.unref()
}
