import { randomBytes } from 'node:crypto'
import { get } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { BAR_COLUMNS } from '@stockpile/domain/bar'
import type { ExportChunk } from '@stockpile/db/export'
import { createLogger } from '@stockpile/log/logger'
import { slowness } from '@stockpile/test-harness/patience'
import { waitFor } from '@stockpile/test-harness/process'
import { afterEach, beforeEach } from 'vitest'
import { clientAddressOf } from '../../src/http/client-address.js'
import { registerCompression } from '../../src/http/compression.js'
import { writeLines } from '../../src/prices/export-lines.js'
import { createExportPlaces } from '../../src/prices/export-places.js'
import { streamExport } from '../../src/prices/export-stream.js'
import { createServer } from '../../src/server.js'
import type { App } from '../../src/types.js'

/** Some tenths of a second; more on a busy machine, where a client that reads steadily is slower too. */
export const READ_MS = Math.round(130 * slowness())
const HANDLER_MS = Math.round(100 * slowness())
export const NEVER_MS = 60_000
/** Addresses of this machine, each of which is a client with a share of its own. */
export const CLIENTS = ['127.0.0.1', '127.0.0.2', '127.0.0.3'] as const
type Client = (typeof CLIENTS)[number]
export const MIB = 1024 * 1024
/** The bytes are random, so that compression does not make them smaller. */
export const TEXT = randomBytes(MIB)
/** The place after which an export goes on: further chunks follow. */
export const MORE = { symbol: 'IBM', date: '2023-01-03' }
/** An export of this many chunks is larger than the sockets of both ends hold back. */
export const MANY = 64
export const slices = (lines: Buffer) => writeLines(lines, { format: 'csv', columns: BAR_COLUMNS })

export interface ExportApp {
  app: App
  origin: string
  logLines: string[]
  /** How many chunks were read after the first. */
  reads: number
  /** Reads a chunk after the first; a test may replace this function. */
  read: (count: number) => Promise<ExportChunk>
  /** Starts the app again with other deadlines. */
  restart(timeouts: { readMs: number; stallMs: number }): Promise<void>
  /** Asks for an export, and resolves with the answer once its headers came. */
  open(acceptEncoding?: string, localAddress?: Client): Promise<IncomingMessage>
  /** Opens two exports of each of two clients, which take all places. */
  openFour(acceptEncoding?: string): Promise<IncomingMessage[]>
  connections(): Promise<number>
  faults(): string[]
  /** Waits until all places can be had again: no export that was opened before is left. */
  expectRoom(): Promise<void>
}

/** For each test an app whose only route is an export, of chunks that the test makes itself. */
export function useExportApp(): ExportApp {
  let app: App | undefined
  const context: ExportApp = {
    get app() {
      if (app === undefined) throw new Error('useExportApp: there is an app only while a test runs')
      return app
    },
    origin: '',
    logLines: [],
    reads: 0,
    read: async () => ({ text: null, last: null }),
    async restart({ readMs, stallMs }) {
      await app?.close()
      context.reads = 0
      context.logLines = []
      context.read = async (count) => ({ text: TEXT, last: count < MANY ? MORE : null })
      const logger = createLogger({
        service: 'api',
        level: 'debug',
        output: { write: (line) => context.logLines.push(line) },
      })
      const server = createServer({ logger, timeouts: { handlerMs: HANDLER_MS, readMs, checkMs: 50 } })
      app = server
      await registerCompression(server)
      const places = createExportPlaces(server, { stallMs })
      server.get('/', async (request, reply) => {
        const place = await places.enter(clientAddressOf(request))
        return streamExport(reply.type('text/csv'), place, {
          head: 'head',
          first: { text: TEXT, last: MORE },
          readAfter: async () => context.read((context.reads += 1)),
          write: slices,
        })
      })
      context.origin = await server.listen({ port: 0 })
    },
    open(acceptEncoding = 'identity', localAddress = CLIENTS[0]) {
      const request = get(context.origin, {
        agent: false,
        localAddress,
        headers: { 'accept-encoding': acceptEncoding },
      })
      return new Promise((resolve, reject) => request.once('response', resolve).once('error', reject))
    },
    openFour(encoding) {
      const [one, other] = CLIENTS
      return Promise.all([one, other, one, other].map((client) => context.open(encoding, client)))
    },
    connections: () =>
      new Promise((resolve, reject) =>
        context.app.server.getConnections((error, count) =>
          error === null ? resolve(count) : reject(error),
        ),
      ),
    faults: () => context.logLines.filter((line) => /"level":"(?:error|fatal)"/.test(line)),
    async expectRoom() {
      context.read = async () => ({ text: null, last: null })
      await waitFor(
        async () => {
          const answers = await context.openFour()
          await Promise.all(answers.map((answer) => text(answer)))
          return answers.every((answer) => answer.statusCode === 200)
        },
        { deadlineMs: 5_000 },
      )
    },
  }
  // The clients of tests that fill all places are slow, but count as stalled in no test that does not restart the app.
  beforeEach(() => context.restart({ readMs: READ_MS, stallMs: NEVER_MS }))
  afterEach(async () => {
    await app?.close()
    app = undefined
  })
  return context
}
