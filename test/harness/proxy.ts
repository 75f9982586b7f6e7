import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { Server, Socket } from 'node:net'

/** A TCP proxy that a test can make misbehave. */
export interface Proxy {
  /** The target's URL with the proxy's port. */
  readonly url: string
  /** Keeps all bytes back from now on; open connections stay open, and new ones are accepted. */
  freeze(): void
  /** Passes on what was kept back, and everything from now on. */
  thaw(): void
  /** Leaves open connections silent for ever, and serves new ones. */
  swallow(): void
  /** Ends all connections; bytes kept back are lost. */
  cut(): void
  /** Ends all connections and refuses new ones until `accept`. */
  refuse(): Promise<void>
  accept(): Promise<void>
  /** Sends new connections to another target. */
  retarget(target: string): void
  close(): Promise<void>
}

/** Starts a proxy on a free port of loopback before a server; without a target the proxy answers nothing. */
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
