import type { Arrival, Simulator } from '@stockpile/alphavantage/simulator'
import type { PlanLimits } from '@stockpile/domain/limit'
import type { IngestQueue } from '@stockpile/queue/queue'
import type { Proxy } from '@stockpile/test-harness/proxy'
import type postgres from 'postgres'
import type { SettableClock } from '../../servers/settable-clock.js'
import type { ArrivalBounds } from './arrival-bounds.js'
import type { Backend } from './backends.js'
import type { CauseWatch } from './cause-watch.js'
import type { Http } from './http.js'
import type { PostgresServer } from './postgres-server.js'
import type { Programs } from './programs.js'
import type { QueueControl } from './queue-control.js'
import type { Random } from './random.js'
import type { RedisControl } from './redis-control.js'
import type { Servers } from './servers.js'

export interface EnvironmentOptions {
  /** Workers that are started with the environment; 1 by default. 0 with `api: false`: the scenario starts every program itself. */
  workers?: number
  /** Whether the API is started with the environment; true by default. */
  api?: boolean
  /** Requests of one worker at a time; 4 by default. */
  concurrency?: number
  /** The limits that the workers keep and that I4 judges by; 10 requests a second by default. */
  limits?: PlanLimits
  /** How long the simulator takes to answer. */
  latencyMs?: number
  /** Servers that the programs reach through a TCP proxy. */
  proxies?: readonly ('postgres' | 'redis')[]
  /** Gives the environment a PostgreSQL server that it may stop, always behind a proxy; by default all environments share one. */
  ownPostgres?: boolean
  redisSettings?: Record<string, string>
  /** Gives PostgreSQL, the API and the workers one clock that can be set; needs `ownPostgres`. Redis does not start with such a clock. */
  settableClock?: boolean
  /** Makes the workers read the key from `Environment.keyFile`; by default the key is in a variable. */
  keyFile?: boolean
  /** Whether 503 with Retry-After is a proper answer, since the scenario makes the database or the queue go away. */
  allows503?: boolean
}

/** One running system under test, with servers, processes and an upstream, apart from all others. */
export interface Environment {
  backend: Backend
  random: Random
  limits: PlanLimits
  options: EnvironmentOptions
  servers: Servers
  /** A superuser's connections to the database, past the proxy. */
  sql: postgres.Sql
  /** The owner's address of the database, as the programs under test reach it. */
  databaseUrl: string
  postgres: PostgresServer
  /** Undefined when the programs reach PostgreSQL directly. */
  postgresProxy: Proxy | undefined
  /** Null when the queue is in PostgreSQL. */
  redis: RedisControl | null
  /** Stops PostgreSQL as a crash does, and lets nobody in; only with `ownPostgres`. */
  crashPostgres: () => Promise<void>
  restartPostgres: () => Promise<void>
  /** Null without `settableClock`, and where there is no libfaketime. */
  clock: SettableClock | null
  queue: QueueControl
  /** The queue itself, to read its jobs or to add one. */
  jobs: () => IngestQueue
  programs: Programs
  http: Http
  causes: CauseWatch
  simulator: Simulator
  /** The file with the API key; the workers read it only with the option `keyFile`. */
  keyFile: string
  /** Adds a listener that is called for each request that reaches the upstream, before the answer. */
  onArrival: (listener: (arrival: Arrival) => void) => void
  /** Repeats a question until its answer is truthy. Generous by default: a deadline that a busy machine misses proves nothing. */
  until: (what: string, ask: () => unknown, deadlineMs?: number) => Promise<void>
  /** Resolves when every accepted item has ended. */
  drained: (deadlineMs?: number) => Promise<void>
  arrivalBounds: ArrivalBounds
  /** When the provider's days after the first began, in epoch milliseconds; `passDays` of the soak adds them. */
  dayBegins: number[]
  close: () => Promise<void>
}
