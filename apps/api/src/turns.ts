interface Waiting {
  client: string
  begin: () => void
}

export interface TurnLimits {
  /** How many have their turn at once. */
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
 * Lets work be done a few at once. Who waits has the next turn before a client that has more of them already, so that one
 * client has all turns only while nobody else waits; among equals the first.
 */
export function createTurns({ atOnce, waiting: mostWaiting, waitingOfAClient, waitMs }: TurnLimits) {
  /** By client, while it has a turn. */
  const running = new Map<string, number>()
  const queue: Waiting[] = []
  let free = atOnce

  const begin = (client: string) => {
    free -= 1
    running.set(client, (running.get(client) ?? 0) + 1)
  }
  const end = (client: string) => {
    free += 1
    const left = (running.get(client) ?? 1) - 1
    if (left === 0) running.delete(client)
    else running.set(client, left)
    const turnsOf = (one: Waiting) => running.get(one.client) ?? 0
    const [next] = queue.toSorted((one, other) => turnsOf(one) - turnsOf(other))
    next?.begin()
  }
  const wait = (client: string) =>
    new Promise<void>((resolve, reject) => {
      const leave = () => {
        queue.splice(queue.indexOf(one), 1)
        clearTimeout(timer)
      }
      const one: Waiting = {
        client,
        begin: () => {
          leave()
          begin(client)
          resolve()
        },
      }
      const timer = setTimeout(() => {
        leave()
        reject(new NoTurnError('late'))
      }, waitMs)
      queue.push(one)
    })

  return {
    /** @throws NoTurnError */
    async run<T>(client: string, work: () => Promise<T>): Promise<T> {
      if (free > 0) begin(client)
      else {
        if (queue.filter((one) => one.client === client).length >= waitingOfAClient)
          throw new NoTurnError('client')
        if (queue.length >= mostWaiting) throw new NoTurnError('all')
        await wait(client)
      }
      try {
        return await work()
      } finally {
        end(client)
      }
    },
  }
}
