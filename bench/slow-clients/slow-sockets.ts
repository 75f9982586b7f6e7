import { once } from 'node:events'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** What each kind of slow client sends at once (`head`), and then every second (`more`) while its connection lasts. */
const KINDS = {
  'slow headers': { head: 'GET /healthz HTTP/1.1\r\nHost: a\r\nX: ', reads: true, more: '1' },
  'slow bodies': {
    head: 'POST /api/ingest HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n',
    reads: true,
    more: '1',
  },
  // The answers are more than the system's buffers hold. Empty lines are allowed before a request, and the client notices
  // by sending them that the server has ended the connection.
  'slow readers': {
    head: 'GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(100),
    reads: false,
    more: '\r\n',
  },
}
const EVERY_MS = 1_000
/** One client in ten does not read: each needs a hundred answers to get stuck, and more such clients would be a flood. */
const kindOf = (index: number) =>
  index % 10 === 0 ? 'slow readers' : index % 2 === 0 ? 'slow headers' : 'slow bodies'

const [url = '', count = '0', deadlineMs = '0'] = process.argv.slice(2)
const { hostname, port } = new URL(url)

// A process forked by slow-clients.ts, so that slow clients cost the measuring process nothing: it opens sockets, says so, and
// says at the end when the server closed each.
const closed: Record<keyof typeof KINDS, number[]> = {
  'slow headers': [],
  'slow bodies': [],
  'slow readers': [],
}
const sockets: { socket: Socket; more: string }[] = []
for (let index = 0; index < Number(count); index++) {
  const name = kindOf(index)
  const { head, reads, more } = KINDS[name]
  const socket = connect(Number(port), hostname)
  sockets.push({ socket, more })
  await once(socket, 'connect')
  const openedAt = performance.now()
  // The server resets connections whose client does not read.
  socket.on('error', () => {})
  socket.once('close', () => closed[name].push((performance.now() - openedAt) / 1_000))
  if (reads) socket.resume()
  else socket.pause()
  socket.write(head)
}
process.send?.('open')
const endsAt = performance.now() + Number(deadlineMs)
while (performance.now() < endsAt && sockets.some(({ socket }) => !socket.destroyed)) {
  for (const { socket, more } of sockets) if (socket.writable) socket.write(more)
  await sleep(EVERY_MS)
}
process.send?.({ closed: closed, opened: sockets.length })
for (const { socket } of sockets) socket.destroy()
process.disconnect()
