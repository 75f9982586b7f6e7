/** Work that waits for its turns. */
interface Waiting {
  client: string
  turns: number
  begin: () => void
}

export interface FairQueueLimits {
  /** How many turns there are; work that takes several turns counts as that many. */
  atOnce: number
  /** How many pieces of work may wait, of all clients together. */
  waiting: number
  /** How many pieces of work of one client may wait. */
  waitingOfAClient: number
  /** How long work may wait for its turn. */
  waitMs: number
}

/**
 * The queue did not run the work: `all`: the queue is full; `client`: the client's part of it is; `late`: the wait was too
 * long.
 */
export class NotAdmittedError extends Error {
  override readonly name = 'NotAdmittedError'
  readonly reason: 'all' | 'client' | 'late'
  constructor(reason: NotAdmittedError['reason']) {
    super(`not admitted: ${reason}`)
    this.reason = reason
  }
}

/**
 * Runs work of many clients, a few pieces at once. The next turn goes to the client with the fewest turns now, then to the
 * client whose last turn began first, then to the work that came first: one client has all turns only while no other waits.
 * Work that waits for several turns is not overtaken by work behind it.
 */
export function createFairQueue({ atOnce, waiting: mostWaiting, waitingOfAClient, waitMs }: FairQueueLimits) {
  /** How many turns a client has, by client. */
  const running = new Map<string, number>()
  /** The number of the newest turn of a client that has a turn or waits, by client. */
  const served = new Map<string, number>()
  let turn = 0
  const queue: Waiting[] = []
  let free = atOnce

  const begin = (client: string, turns: number) => {
    free -= turns
    served.set(client, (turn += 1))
    running.set(client, (running.get(client) ?? 0) + turns)
  }
  const end = (client: string, turns: number) => {
    free += turns
    const left = (running.get(client) ?? turns) - turns
    if (left === 0) running.delete(client)
    else running.set(client, left)
    beginNext()
    forget(client)
  }
  const forget = (client: string) => {
    if (!running.has(client) && queue.every((one) => one.client !== client)) served.delete(client)
  }
  const beginNext = () => {
    const turnsOf = (one: Waiting) => running.get(one.client) ?? 0
    const servedAt = (one: Waiting) => served.get(one.client) ?? 0
    for (;;) {
      const [next] = queue.toSorted(
        (one, other) => turnsOf(one) - turnsOf(other) || servedAt(one) - servedAt(other),
      )
      if (next === undefined || next.turns > free) return
      next.begin()
    }
  }
  const wait = (client: string, turns: number) =>
    new Promise<void>((resolve, reject) => {
      const leave = () => {
        queue.splice(queue.indexOf(one), 1)
        clearTimeout(timer)
      }
      const one: Waiting = {
        client,
        turns,
        begin: () => {
          leave()
          begin(client, turns)
          resolve()
        },
      }
      const timer = setTimeout(() => {
        leave()
        reject(new NotAdmittedError('late'))
        // Other work may have waited behind this work alone.
        beginNext()
        forget(client)
      }, waitMs)
      queue.push(one)
      // New work begins at once where the first in the queue waits for more turns than are free, and the new work's client
      // has fewer.
      beginNext()
    })

  return {
    /**
     * Runs work of a client once there are turns for it, and resolves or rejects as the work does.
     * @param turns how many turns the work takes, at most `atOnce`
     * @throws NotAdmittedError when the work was not run
     */
    async run<T>(client: string, work: () => Promise<T>, turns = 1): Promise<T> {
      if (free >= turns && queue.length === 0) begin(client, turns)
      else {
        if (queue.filter((one) => one.client === client).length >= waitingOfAClient)
          throw new NotAdmittedError('client')
        if (queue.length >= mostWaiting) throw new NotAdmittedError('all')
        await wait(client, turns)
      }
      try {
        return await work()
      } finally {
        end(client, turns)
      }
    },
  }
}
