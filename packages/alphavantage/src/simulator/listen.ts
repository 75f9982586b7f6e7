import type { Server } from 'node:http'
import { isIPv6 } from 'node:net'

/** Longer than a client keeps an idle connection, so that no request is sent on a connection that is being closed. */
const KEEP_ALIVE_MS = 120_000

/** Listens and resolves with the origin and a `close` that ends every connection; rejects when it cannot listen. */
export async function listen(
  server: Server,
  port: number,
  host: string,
): Promise<{ origin: string; close: () => Promise<void> }> {
  server.keepAliveTimeout = KEEP_ALIVE_MS
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
  const address = server.address()
  const listening = typeof address === 'object' && address !== null ? address.port : port
  return {
    origin: `http://${isIPv6(host) ? `[${host}]` : host}:${listening}`,
    close: () =>
      new Promise((resolve) => {
        // The only error of close is that the server was closed already.
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
