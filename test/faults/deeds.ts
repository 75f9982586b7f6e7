import { setTimeout as sleep } from 'node:timers/promises'
import type { Rule } from '@stockpile/alphavantage/simulator'
import { limitConnections } from './postgres-server.js'
import type { World } from './world.js'

/** A fault with its end: what it broke is whole again when it resolves. */
export interface Deed {
  name: string
  /** Nothing to a queue in PostgreSQL. */
  redisOnly?: boolean
  work: (world: World) => Promise<void>
}

function seconds({ random }: World, least: number, most: number): Promise<void> {
  return sleep(random.between(least * 1_000, most * 1_000))
}

/** Does it as soon as it can be done: PostgreSQL or Redis itself may be down. */
function inTime({ until }: World, what: string, work: () => Promise<unknown>): Promise<void> {
  return until(what, () =>
    work().then(
      () => true,
      () => false,
    ),
  )
}

function answering(name: string, answerOf: (world: World) => Rule['answer']): Deed {
  return {
    name: `the upstream ${name}`,
    async work(world) {
      const { random, simulator } = world
      const nth = random.between(1, 5)
      simulator.rule({ nth, times: random.between(1, 3), answer: answerOf(world) })
    },
  }
}

/** Rows 1 to 19, 45 and 54 of the matrix, as far as they can be survived without a person. */
export const DEEDS: readonly Deed[] = [
  {
    name: 'a worker is killed',
    async work(world) {
      const { programs, random } = world
      const { workers } = programs
      if (workers.length > 0) await programs.kill(random.pick(workers))
      await seconds(world, 0, 3)
      await programs.startWorker()
    },
  },
  {
    name: 'a worker is frozen past its lock',
    async work(world) {
      const { programs, random } = world
      if (programs.workers.length === 0) return
      const worker = random.pick(programs.workers)
      worker.child.kill('SIGSTOP')
      await seconds(world, 5, 22)
      worker.child.kill('SIGCONT')
    },
  },
  {
    name: 'a worker is stopped',
    async work({ programs, random }) {
      if (programs.workers.length === 0) return
      const worker = random.pick(programs.workers)
      const stopped = programs.stop(worker)
      // It may be the one that another deed has just frozen.
      worker.child.kill('SIGCONT')
      const code = await stopped
      await programs.startWorker()
      if (code !== 0) throw new Error(`it ended with ${code}`)
    },
  },
  {
    name: 'the API is killed',
    async work(world) {
      const { programs } = world
      if (programs.api !== undefined) await programs.kill(programs.api)
      await seconds(world, 0, 2)
      await programs.startApi()
    },
  },
  {
    name: 'Redis is killed',
    redisOnly: true,
    async work(world) {
      const { redis } = world
      await redis?.kill()
      await seconds(world, 0, 5)
      await redis?.start()
    },
  },
  {
    name: 'the queue is frozen',
    async work(world) {
      await inTime(world, 'a frozen queue', () => world.queue.freeze())
      await seconds(world, 1, 8)
      await world.queue.thaw()
    },
  },
  {
    name: 'the queue is emptied',
    work: (world) => inTime(world, 'an emptied queue', () => world.queue.empty()),
  },
  {
    name: 'Redis is full',
    redisOnly: true,
    async work(world) {
      const { redis } = world
      const setMaximum = (bytes: string) => redis?.ask((client) => client.config('SET', 'maxmemory', bytes))
      await setMaximum('1')
      await seconds(world, 1, 5)
      await setMaximum('0')
    },
  },
  {
    name: 'PostgreSQL is down',
    async work(world) {
      await world.crashPostgres()
      await seconds(world, 1, 10)
      await world.restartPostgres()
    },
  },
  {
    name: 'PostgreSQL is frozen',
    async work(world) {
      world.postgresProxy?.freeze()
      await seconds(world, 1, 8)
      world.postgresProxy?.thaw()
    },
  },
  {
    name: 'all connections to PostgreSQL are cut',
    async work({ postgresProxy }) {
      postgresProxy?.cut()
    },
  },
  {
    name: "PostgreSQL's connections are exhausted",
    async work(world) {
      const limit = (connections: number) =>
        inTime(world, `a limit of ${connections} connections`, () =>
          world.sql.unsafe(limitConnections(connections)),
        )
      await limit(2)
      world.postgresProxy?.cut()
      await seconds(world, 1, 8)
      await limit(-1)
    },
  },
  {
    name: 'PostgreSQL is slow',
    async work(world) {
      const lock = world.sql.begin(async (tx) => {
        await tx`LOCK TABLE financial_data IN ACCESS EXCLUSIVE MODE`
        await seconds(world, 1, 12)
      })
      // Who takes PostgreSQL down meanwhile takes the lock away.
      await lock.catch(() => {})
    },
  },
  {
    name: 'PostgreSQL takes no writes',
    async work(world) {
      const { sql } = world
      const alter = (
        setting: 'SET default_transaction_read_only = on' | 'RESET default_transaction_read_only',
      ) =>
        inTime(world, setting, () =>
          sql.unsafe(`ALTER SYSTEM ${setting}`).then(() => sql`SELECT pg_reload_conf()`),
        )
      await alter('SET default_transaction_read_only = on')
      await seconds(world, 1, 15)
      await alter('RESET default_transaction_read_only')
    },
  },
  {
    name: 'the upstream fails whatever it is asked',
    async work(world) {
      const { random, simulator } = world
      simulator.rule({ answer: { kind: 'status', status: random.pick([500, 502, 503]) } })
      await seconds(world, 3, 20)
      simulator.clearRules()
    },
  },
  answering('fails', ({ random }) => ({ kind: 'status', status: random.pick([500, 502, 503]) })),
  answering('is silent', () => ({ kind: 'delay', ms: 60_000 })),
  answering('answers by the byte', () => ({ kind: 'drip', bytes: 1, everyMs: 100 })),
  answering('breaks off', ({ random }) => ({ kind: 'cut', afterBytes: random.between(0, 10_000) })),
  answering('resets', () => ({ kind: 'reset' })),
  answering('sends half a JSON', () => ({ kind: 'invalid_json' })),
  answering('refuses for a burst', () => ({ kind: 'refusal', refusal: 'burst_limit' })),
  answering('asks to slow down', ({ random }) => ({
    kind: 'status',
    status: 429,
    headers: { 'retry-after': String(random.between(1, 4)) },
  })),
]
