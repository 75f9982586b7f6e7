import { createBullBoard } from '@bull-board/api'
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter'
import { FastifyAdapter } from '@bull-board/fastify'
import { pingQueue } from '@stockpile/queue/queue'
import type { IngestQueue } from '@stockpile/queue/queue'
import { answerError } from '../http/error-handler.js'
import { ProblemError, unavailable } from '../http/problem.js'
import type { App } from '../types.js'

const BASE_PATH = '/queues'
const DEADLINE_MS = 1_000
/** Names no host but this one: the board would fetch its fonts from Google, and what jobs hold runs no script. */
const CONTENT_POLICY =
  "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"

/** The board's page asks for them although the policy refuses them, and each refusal is an error in the browser's console. */
const FONT_LINKS = /<link [^>]*fonts\.(?:googleapis|gstatic)\.com[^>]*>/g

/**
 * Bull Board, to look at only: nobody is authenticated yet, so no page of another origin may change anything
 * through a browser that can reach it. readOnlyMode hides the buttons and refuses; the hook refuses whatever it forgets.
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
      // The board has an error handler of its own, which tells the client what the queue's driver said.
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

  /** BullMQ waits without end for a backend that is away: who looks at the board should not. */
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

/** The adapter works with either backend and checks what it is given; its types name Redis alone. */
function asBoardQueue(queue: IngestQueue): ConstructorParameters<typeof BullMQAdapter>[0] {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return queue as ConstructorParameters<typeof BullMQAdapter>[0]
}
