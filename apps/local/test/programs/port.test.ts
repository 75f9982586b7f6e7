import { once } from 'node:events'
import { createServer } from 'node:http'
import { expect, test } from 'vitest'
import { lookAtPort, waitForPort } from '../../src/programs/port.js'

const HOST = '127.0.0.1'

async function withServer(
  answer: string,
  use: (port: number, close: () => void) => Promise<void>,
): Promise<void> {
  const server = createServer((_request, response) => response.end(answer)).listen(0, HOST)
  await once(server, 'listening')
  const close = () => {
    server.closeAllConnections()
    server.close()
  }
  const address = server.address()
  try {
    await use(typeof address === 'object' && address !== null ? address.port : 0, close)
  } finally {
    close()
  }
}
const STOCKPILE = JSON.stringify({ info: { title: 'Stockpile' } })
const wait = (port: number, deadlineMs: number) =>
  waitForPort(HOST, port, { deadlineMs, signal: new AbortController().signal })

test('A port that another Stockpile keeps is said to be taken by it, before and after the wait', async () => {
  await withServer(STOCKPILE, async (port) => {
    expect(await lookAtPort(HOST, port)).toBe('stockpile')
    await expect(wait(port, 50)).rejects.toThrow(
      `Port ${port} of 127.0.0.1 is taken by another Stockpile's API, which goes on running: use that one, end it, or choose another port, e.g. PORT=${port + 1} npm start.`,
    )
  })
})

test('A port that it lets go meanwhile is free', async () => {
  await withServer(STOCKPILE, async (port, close) => {
    const waiting = wait(port, 20_000)
    close()
    await expect(waiting).resolves.toBeUndefined()
  })
})

test('A port of another program is refused at once', async () => {
  await withServer('something else', async (port) => {
    await expect(lookAtPort(HOST, port)).rejects.toThrow(
      `Port ${port} of 127.0.0.1 is taken by another program`,
    )
  })
})
