import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { Socket } from 'node:net'
import { afterEach } from 'vitest'

/** How a pooler treats the sessions of its clients. */
interface Manners {
  /** The pooler refuses each connection with this SQLSTATE and message. */
  refusal?: { code: string; message: string }
  /** Whether the pooler takes `options` out of the startup packet. */
  dropsOptions?: boolean
}

const NO_TLS = 80_877_103
/** The process id in the pooler's greeting, which is no process of PostgreSQL. */
const OWN_PID = 2_000_000_000

/**
 * Starts poolers before the server of `databaseUrl` that greet and behave as PgBouncer does, and closes them after each test.
 * Clients authenticate at the server itself.
 */
export function usePooler(): (databaseUrl: string, manners: Manners) => Promise<string> {
  const closing: (() => Promise<void>)[] = []
  afterEach(async () => {
    await Promise.all(closing.splice(0).map((close) => close()))
  })
  return async (databaseUrl, manners) => {
    const { port, close } = await startPooler(new URL(databaseUrl), manners)
    closing.push(close)
    const url = new URL(databaseUrl)
    url.host = `127.0.0.1:${port}`
    url.searchParams.set('sslmode', 'disable')
    return url.href
  }
}

async function startPooler(target: URL, { refusal, dropsOptions = false }: Manners) {
  const sockets = new Set<Socket>()
  const keep = (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy()).on('close', () => sockets.delete(socket))
  }
  const listener = createServer((client) => {
    keep(client)
    let session: Socket | undefined
    eachMessage(client, { startsUntyped: true }, (type, message) => {
      if (session !== undefined) {
        if (type !== 'X') session.write(message)
        return
      }
      if (type !== '') return
      if (message.readInt32BE(4) === NO_TLS) {
        client.write('N')
        return
      }
      if (refusal !== undefined) {
        client.end(errorMessage(refusal))
        return
      }
      const server = connect(Number(target.port), target.hostname)
      keep(server)
      session = server
      eachMessage(server, { startsUntyped: false }, (answered, answer) => {
        if (answered === 'K') answer.writeInt32BE(OWN_PID, 5)
        client.write(answer)
      })
      server.write(dropsOptions ? withoutOptions(message) : message)
    })
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const close = async () => {
    const closed = once(listener, 'close')
    listener.close()
    for (const socket of sockets) socket.destroy()
    await closed
  }
  const address = listener.address()
  if (address === null || typeof address === 'string') throw new Error('The pooler has no port')
  return { port: address.port, close }
}

/** Takes the bytes of a socket apart into messages of the protocol. Messages up to the startup packet have no type: ''. */
function eachMessage(
  socket: Socket,
  { startsUntyped }: { startsUntyped: boolean },
  take: (type: string, message: Buffer) => void,
): void {
  let untyped = startsUntyped
  let rest: Buffer = Buffer.alloc(0)
  socket.on('data', (bytes: Buffer) => {
    rest = Buffer.concat([rest, bytes])
    for (;;) {
      const head = untyped ? 0 : 1
      if (rest.length < head + 4) return
      const length = head + rest.readInt32BE(head)
      if (rest.length < length) return
      const message = Buffer.from(rest.subarray(0, length))
      rest = rest.subarray(length)
      const type = untyped ? '' : message.toString('latin1', 0, 1)
      if (untyped) untyped = message.readInt32BE(4) === NO_TLS
      take(type, message)
    }
  })
}

/** Removes `options` from a startup packet, which is its length, the version, and names and values that each end with a zero byte. */
function withoutOptions(packet: Buffer): Buffer {
  const texts = packet.toString('utf8', 8).split('\0').slice(0, -2)
  const kept = texts.flatMap((name, index) =>
    index % 2 === 0 && name !== 'options' ? [`${name}\0${texts[index + 1] ?? ''}\0`] : [],
  )
  const body = Buffer.from(`${kept.join('')}\0`)
  const head = Buffer.from(packet.subarray(0, 8))
  head.writeInt32BE(8 + body.length)
  return Buffer.concat([head, body])
}

function errorMessage({ code, message }: { code: string; message: string }): Buffer {
  const fields = Buffer.from(`SFATAL\0VFATAL\0C${code}\0M${message}\0\0`)
  const head = Buffer.alloc(5)
  head.write('E')
  head.writeInt32BE(4 + fields.length, 1)
  return Buffer.concat([head, fields])
}
