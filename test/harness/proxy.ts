import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { Server, Socket } from 'node:net'

export interface Proxy {
  /** The target's URL, by way of the proxy. */
  readonly url: string
  /** From now on bytes are taken and kept; connections stay open, also those that come. */
  freeze(): void
  /** What was kept is passed on. */
  thaw(): void
  /** Those that are open are never passed on or ended again; who connects from now on is served. */
  swallow(): void
  /** Ends all connections; what was kept is lost. */
  cut(): void
  /** Cuts, and nobody is let in until `accept`. */
  refuse(): Promise<void>
  accept(): Promise<void>
  /** Where connections go that come from now on. */
  retarget(target: string): void
  close(): Promise<void>
}

/** A TCP proxy on a free port of loopback before a server; without a target it is frozen for ever. */
export async function startProxy(target: string | null): Promise<Proxy> {
  let upstream = new URL(target ?? 'redis://127.0.0.1')
  let frozen = target === null
  const sockets = new Set<Socket>()
  const swallowed = new Set<Socket>()

  const pass = (from: Socket, to: Socket) => {
    sockets.add(from)
    from.on('data', (bytes) => to.write(bytes))
    from.on('close', () => {
      sockets.delete(from)
      swallowed.delete(from)
      to.destroy()
    })
    from.on('error', () => to.destroy())
    if (frozen) from.pause()
  }
  const server = createServer((client) => {
    if (target === null) {
      sockets.add(client)
      client.on('error', () => {}).resume()
      return
    }
    const remote = connect(Number(upstream.port || 6379), upstream.hostname)
    pass(client, remote)
    pass(remote, client)
  })
  const port = await listen(server, 0)
  const cut = () => {
    for (const socket of sockets) socket.destroy()
  }
  const end = async () => {
    cut()
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    await closed
  }
  return {
    get url() {
      const url = new URL(upstream)
      url.hostname = '127.0.0.1'
      url.port = String(port)
      return url.href
    },
    freeze() {
      frozen = true
      for (const socket of sockets) socket.pause()
    },
    thaw() {
      frozen = false
      for (const socket of sockets) if (!swallowed.has(socket)) socket.resume()
    },
    swallow() {
      for (const socket of sockets) swallowed.add(socket.pause())
    },
    cut,
    refuse: end,
    async accept() {
      if (!server.listening) await listen(server, port)
    },
    retarget(to) {
      upstream = new URL(to)
    },
    close: end,
  }
}

async function listen(server: Server, port: number): Promise<number> {
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('The proxy has no port')
  return address.port
}
