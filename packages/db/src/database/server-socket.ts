import { connect } from 'node:net'
import type { Socket } from 'node:net'
import type { DatabaseAddress } from './database-url.js'

/** The path of the Unix socket in a folder, where each server has a socket named by its port; undefined for other hosts. */
export function socketPath({ host, port }: Pick<DatabaseAddress, 'host' | 'port'>): string | undefined {
  return host.startsWith('/') ? `${host}/.s.PGSQL.${port}` : undefined
}

/**
 * Opens a socket to the server. postgres.js takes this function as its option `socket`, which its types do not know; its
 * own function splits an IPv6 address at the colons, and has no deadline for an answer.
 * @param silenceMs how long the socket may be silent before it is destroyed: a server or a way there that vanished silently
 *   (a failover, a firewall) never answers; undefined: for ever
 */
export function openSocket(address: DatabaseAddress, silenceMs: number | undefined): Socket {
  const { host, port } = address
  const path = socketPath(address)
  const socket = path === undefined ? connect({ host, port }) : connect(path)
  if (silenceMs !== undefined) endWhenSilent(socket, silenceMs)
  // postgres.js reads `host` for TLS, to name and check the server.
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
    // No event tells the end: for TLS postgres.js removes all listeners.
    if (socket.destroyed) clearInterval(timer)
  }, silenceMs / 20)
  timer.unref()
}
