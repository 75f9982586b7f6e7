import { setTimeout as sleep } from 'node:timers/promises'
import type { Rule } from '@stockpile/alphavantage/simulator'
import type { Environment } from '../environment/environment.js'
import { limitConnections } from '../environment/postgres-server.js'

/** A fault that begins and ends by itself, for the soak. */
export interface Disturbance {
  name: string
  /** Whether the fault is one of Redis, and means nothing to a queue in PostgreSQL. */
  redisOnly?: boolean
  /** Breaks something, waits, and makes it whole again before it resolves. */
  disturb: (environment: Environment) => Promise<void>
}

function seconds({ random }: Environment, least: number, most: number): Promise<void> {
  return sleep(random.between(least * 1_000, most * 1_000))
}

/** Repeats `work` until it succeeds, since PostgreSQL or Redis may be down by another disturbance. */
function asSoonAsPossible({ until }: Environment, what: string, work: () => Promise<unknown>): Promise<void> {
  return until(what, () =>
    work().then(
      () => true,
      () => false,
    ),
  )
}

function answering(name: string, answerOf: (environment: Environment) => Rule['answer']): Disturbance {
  return {
    name: `the upstream ${name}`,
    async disturb(environment) {
      const { random, simulator } = environment
      const nth = random.between(1, 5)
      simulator.rule({ nth, times: random.between(1, 3), answer: answerOf(environment) })
    },
  }
}

/** The faults of scenarios 1 to 19, 45 and 54, as far as a system survives them without a person. */
export const DISTURBANCES: readonly Disturbance[] = [
  {
    name: 'a worker is killed',
    async disturb(environment) {
      const { programs, random } = environment
      const { workers } = programs
      if (workers.length > 0) await programs.kill(random.pick(workers))
      await seconds(environment, 0, 3)
      await programs.startWorker()
    },
  },
  {
    name: 'a worker is frozen past its lock',
    async disturb(environment) {
      const { programs, random } = environment
      if (programs.workers.length === 0) return
      const worker = random.pick(programs.workers)
      worker.child.kill('SIGSTOP')
      await seconds(environment, 5, 22)
      worker.child.kill('SIGCONT')
    },
  },
  {
    name: 'a worker is stopped',
    async disturb({ programs, random }) {
      if (programs.workers.length === 0) return
      const worker = random.pick(programs.workers)
      const stopped = programs.stop(worker)
      // Another disturbance may have frozen this worker just now.
      worker.child.kill('SIGCONT')
      const code = await stopped
      await programs.startWorker()
      if (code !== 0) throw new Error(`it ended with ${code}`)
    },
  },
  {
    name: 'the API is killed',
    async disturb(environment) {
      const { programs } = environment
      if (programs.api !== undefined) await programs.kill(programs.api)
      await seconds(environment, 0, 2)
      await programs.startApi()
    },
  },
  {
    name: 'Redis is killed',
    redisOnly: true,
    async disturb(environment) {
      const { redis } = environment
      await redis?.kill()
      await seconds(environment, 0, 5)
      await redis?.start()
    },
  },
  {
    name: 'the queue is frozen',
    async disturb(environment) {
      await asSoonAsPossible(environment, 'a frozen queue', () => environment.queue.freeze())
      await seconds(environment, 1, 8)
      await environment.queue.thaw()
    },
  },
  {
    name: 'the queue is emptied',
    disturb: (environment) =>
      asSoonAsPossible(environment, 'an emptied queue', () => environment.queue.empty()),
  },
  {
    name: 'Redis is full',
    redisOnly: true,
    async disturb(environment) {
      const { redis } = environment
      const setMaximum = (bytes: string) => redis?.ask((client) => client.config('SET', 'maxmemory', bytes))
      await setMaximum('1')
      await seconds(environment, 1, 5)
      await setMaximum('0')
    },
  },
  {
    name: 'PostgreSQL is down',
    async disturb(environment) {
      await environment.crashPostgres()
      await seconds(environment, 1, 10)
      await environment.restartPostgres()
    },
  },
  {
    name: 'PostgreSQL is frozen',
    async disturb(environment) {
      environment.postgresProxy?.freeze()
      await seconds(environment, 1, 8)
      environment.postgresProxy?.thaw()
    },
  },
  {
    name: 'all connections to PostgreSQL are cut',
    async disturb({ postgresProxy }) {
      postgresProxy?.cut()
    },
  },
  {
    name: "PostgreSQL's connections are exhausted",
    async disturb(environment) {
      const limit = (connections: number) =>
        asSoonAsPossible(environment, `a limit of ${connections} connections`, () =>
          environment.sql.unsafe(limitConnections(connections)),
        )
      await limit(2)
      environment.postgresProxy?.cut()
      await seconds(environment, 1, 8)
      await limit(-1)
    },
  },
  {
    name: 'PostgreSQL is slow',
    async disturb(environment) {
      const lock = environment.sql.begin(async (tx) => {
        await tx`LOCK TABLE financial_data IN ACCESS EXCLUSIVE MODE`
        await seconds(environment, 1, 12)
      })
      // A disturbance that takes PostgreSQL down meanwhile has ended this transaction already.
      await lock.catch(() => {})
    },
  },
  {
    name: 'PostgreSQL takes no writes',
    async disturb(environment) {
      const { sql } = environment
      const alter = (
        setting: 'SET default_transaction_read_only = on' | 'RESET default_transaction_read_only',
      ) =>
        asSoonAsPossible(environment, setting, () =>
          sql.unsafe(`ALTER SYSTEM ${setting}`).then(() => sql`SELECT pg_reload_conf()`),
        )
      await alter('SET default_transaction_read_only = on')
      await seconds(environment, 1, 15)
      await alter('RESET default_transaction_read_only')
    },
  },
  {
    name: 'the upstream fails whatever it is asked',
    async disturb(environment) {
      const { random, simulator } = environment
      simulator.rule({ answer: { kind: 'status', status: random.pick([500, 502, 503]) } })
      await seconds(environment, 3, 20)
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
