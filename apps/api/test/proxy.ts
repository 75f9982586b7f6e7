import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { afterAll, beforeAll } from 'vitest'

export interface Proxy {
  /** The target's URL, by way of the proxy. */
  readonly url: string
  /** From now on bytes are taken and kept; connections stay open. */
  freeze(): void
  /** What was kept is passed on. */
  thaw(): void
}

/** A TCP proxy before a server, for the tests of a block; without a target it is frozen from the start. */
export function useProxy(target: string | null): Proxy {
  const sockets = new Set<Socket>()
  let frozen = target === null
  const upstream = new URL(target ?? 'redis://127.0.0.1')
  const pass = (from: Socket, to: Socket) => {
    sockets.add(from)
    from.on('data', (bytes) => to.write(bytes))
    from.on('close', () => to.destroy())
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
  beforeAll(async () => {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
  })
  afterAll(async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
    await once(server, 'close')
  })
  return {
    get url() {
      const address: AddressInfo | string | null = server.address()
      if (address === null || typeof address === 'string')
        throw new Error('useProxy: it listens only while tests run')
      const url = new URL(upstream)
      url.hostname = '127.0.0.1'
      url.port = String(address.port)
      return url.href
    },
    freeze() {
      frozen = true
      for (const socket of sockets) socket.pause()
    },
    thaw() {
      frozen = false
      for (const socket of sockets) socket.resume()
    },
  }
}
