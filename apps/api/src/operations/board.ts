import { createBullBoard } from '@bull-board/api'
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter'
import { FastifyAdapter } from '@bull-board/fastify'
import { pingQueue } from '@stockpile/queue/health'
import type { IngestQueue } from '@stockpile/queue/queue'
import { answerError } from '../http/error-handler.js'
import { ProblemError, unavailable } from '../http/problem.js'
import type { App } from '../types.js'

const BASE_PATH = '/queues'
const DEADLINE_MS = 1_000
/** Allows this host alone: the board would fetch fonts from Google, and no text of a job may run as a script. */
const CONTENT_POLICY =
  "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"

/** The board's page links to fonts that the policy refuses, and each refusal is an error in the browser's console. */
const FONT_LINKS = /<link [^>]*fonts\.(?:googleapis|gstatic)\.com[^>]*>/g

/**
 * Serves Bull Board, read-only: the API authenticates nobody yet, so that any page in a browser that reaches it could
 * change jobs. readOnlyMode hides the buttons and refuses changes; the hook refuses those that readOnlyMode forgets.
 */
export async function registerBoard(app: App, { queue }: { queue: IngestQueue }): Promise<void> {
  const queueAdapter = new BullMQAdapter(asBoardQueue(queue), {
    readOnlyMode: true,
    description: 'One job a symbol',
  })
  queueAdapter.setFormatter('name', symbolOf)
  const board = new FastifyAdapter()
  board.setBasePath(BASE_PATH)
  createBullBoard({
    queues: [queueAdapter],
    serverAdapter: board,
    options: { uiConfig: { boardTitle: 'Stockpile', hideRedisDetails: true, hideDocsLink: true } },
  })

  await app.register(
    async (scope) => {
      // The board's own error handler would show the client the message of the queue's driver.
      scope.addHook('onRoute', (route) => {
        route.errorHandler = answerError
      })
      scope.addHook('onRequest', async (request, reply) => {
        reply.header('content-security-policy', CONTENT_POLICY)
        if (request.method !== 'GET' && request.method !== 'HEAD')
          throw new ProblemError(403, 'The board is read-only.')
        if (request.url.startsWith(`${BASE_PATH}/api/`)) await requireQueue()
      })
      scope.addHook('onSend', async (_request, _reply, payload) =>
        typeof payload === 'string' ? payload.replaceAll(FONT_LINKS, '') : payload,
      )
      await scope.register(board.registerPlugin())
    },
    { prefix: BASE_PATH },
  )

  /** Refuses while the queue's backend is away: BullMQ would wait for it without end. */
  async function requireQueue(): Promise<void> {
    try {
      await pingQueue(queue, DEADLINE_MS)
    } catch (error) {
      throw unavailable('The queue', error)
    }
  }
}

function symbolOf(job: { name: string; data?: { symbol?: unknown } | null }): string {
  const symbol = job.data?.symbol
  return typeof symbol === 'string' ? symbol : job.name
}

/** The adapter works with both backends and checks its queue at run time, but its types name Redis alone. */
function asBoardQueue(queue: IngestQueue): ConstructorParameters<typeof BullMQAdapter>[0] {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return queue as ConstructorParameters<typeof BullMQAdapter>[0]
}
