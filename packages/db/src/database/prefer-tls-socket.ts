import { once } from 'node:events'
import { connect as connectTo, isIP } from 'node:net'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import type { ConnectionOptions } from 'node:tls'

/** The protocol's SSLRequest: the length, and a code that no protocol version has. */
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f])
const YES = 'S'.charCodeAt(0)

/**
 * A socket to PostgreSQL that is encrypted if the server offers encryption, as `sslmode=prefer` says. For `pg`, which can
 * only demand encryption or never ask for it; `pg` uses it as a net.Socket.
 */
export class PreferTlsSocket extends Duplex {
  readonly #tls: ConnectionOptions
  #socket: Socket | undefined
  #keepAlive: [boolean, number] | undefined

  constructor(tls: ConnectionOptions) {
    super()
    this.#tls = tls
  }

  /** Connects to a port of a host, or to a path, as net.Socket does; 'connect' or 'error' follows. */
  connect(portOrPath: number | string, host?: string): this {
    this.#open(portOrPath, host).then(
      () => this.emit('connect'),
      (error: unknown) => this.destroy(error instanceof Error ? error : new Error(String(error))),
    )
    return this
  }

  async #open(portOrPath: number | string, host = 'localhost'): Promise<void> {
    const raw = typeof portOrPath === 'string' ? connectTo(portOrPath) : connectTo(portOrPath, host)
    this.#socket = raw
    raw.setNoDelay(true)
    await once(raw, 'connect')
    raw.write(SSL_REQUEST)
    const answer = await firstData(raw)
    // Further bytes are an injection: somebody on the way wants them taken for a part of the encrypted answer.
    if (answer.length !== 1) throw new Error('the server answered more than it was asked')
    const socket =
      answer[0] === YES
        ? connectTls({ ...this.#tls, socket: raw, ...(isIP(host) === 0 ? { servername: host } : {}) })
        : raw
    if (socket !== raw) await once(socket, 'secureConnect')
    if (this.destroyed) {
      socket.destroy()
      return
    }
    this.#socket = socket
    if (this.#keepAlive !== undefined) socket.setKeepAlive(...this.#keepAlive)
    socket.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) socket.pause()
    })
    socket.on('end', () => this.push(null))
    socket.on('error', (error: Error) => this.destroy(error))
    socket.on('close', () => this.destroy())
  }

  setNoDelay(): this {
    return this
  }

  setKeepAlive(enable = false, delayMs = 0): this {
    this.#keepAlive = [enable, delayMs]
    this.#socket?.setKeepAlive(enable, delayMs)
    return this
  }

  ref(): this {
    this.#socket?.ref()
    return this
  }

  unref(): this {
    this.#socket?.unref()
    return this
  }

  override _read(): void {
    this.#socket?.resume()
  }

  override _write(chunk: Buffer, encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.#socket === undefined) done(new Error('not connected'))
    else this.#socket.write(chunk, encoding, done)
  }

  override _final(done: (error?: Error | null) => void): void {
    const socket = this.#socket
    if (socket === undefined || socket.destroyed) done()
    else socket.end(() => done())
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket?.destroy()
    done(error)
  }
}

/** Waits for the first bytes of a socket. @throws when the socket fails or ends before */
function firstData(socket: Socket): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    socket.once('data', resolve)
    // `on`, not `once`: an error without a listener would end the process.
    socket.on('error', reject)
    socket.once('close', () => reject(new Error('Connection terminated unexpectedly')))
  })
}
