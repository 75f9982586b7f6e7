interface Waiting {
  client: string
  takes: number
  begin: () => void
}

export interface TurnLimits {
  /** How many have their turn at once; work that takes several counts as so many. */
  atOnce: number
  /** How many may wait, of all and of one client. */
  waiting: number
  waitingOfAClient: number
  /** How long one may wait. */
  waitMs: number
}

/** Why there was no turn: as many as may be are waiting, of all or of this client, or the wait was too long. */
export class NoTurnError extends Error {
  override readonly name = 'NoTurnError'
  readonly reason: 'all' | 'client' | 'late'
  constructor(reason: NoTurnError['reason']) {
    super(`no turn: ${reason}`)
    this.reason = reason
  }
}

/**
 * Lets work be done a few at once. Who waits has the next turn before a client that has more of them already, or had one
 * later, so that one client has all turns only while nobody else waits; among equals the first. Nobody who comes behind work
 * that waits for several begins before it.
 */
export function createTurns({ atOnce, waiting: mostWaiting, waitingOfAClient, waitMs }: TurnLimits) {
  /** By client, while it has a turn. */
  const running = new Map<string, number>()
  /** By client, while it has a turn or waits: which of all turns its last was. */
  const served = new Map<string, number>()
  let turn = 0
  const queue: Waiting[] = []
  let free = atOnce

  const begin = (client: string, takes: number) => {
    free -= takes
    served.set(client, (turn += 1))
    running.set(client, (running.get(client) ?? 0) + takes)
  }
  const end = (client: string, takes: number) => {
    free += takes
    const left = (running.get(client) ?? takes) - takes
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
      if (next === undefined || next.takes > free) return
      next.begin()
    }
  }
  const wait = (client: string, takes: number) =>
    new Promise<void>((resolve, reject) => {
      const leave = () => {
        queue.splice(queue.indexOf(one), 1)
        clearTimeout(timer)
      }
      const one: Waiting = {
        client,
        takes,
        begin: () => {
          leave()
          begin(client, takes)
          resolve()
        },
      }
      const timer = setTimeout(() => {
        leave()
        reject(new NoTurnError('late'))
        // It may have been what the others waited behind.
        beginNext()
        forget(client)
      }, waitMs)
      queue.push(one)
      // It may go before what waits for more turns than there are.
      beginNext()
    })

  return {
    /**
     * @param takes how many turns the work takes, at most as many as there are
     * @throws NoTurnError
     */
    async run<T>(client: string, work: () => Promise<T>, takes = 1): Promise<T> {
      if (free >= takes && queue.length === 0) begin(client, takes)
      else {
        if (queue.filter((one) => one.client === client).length >= waitingOfAClient)
          throw new NoTurnError('client')
        if (queue.length >= mostWaiting) throw new NoTurnError('all')
        await wait(client, takes)
      }
      try {
        return await work()
      } finally {
        end(client, takes)
      }
    },
  }
}
