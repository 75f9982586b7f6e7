// The seam to a provider: what the worker needs of the package of a provider.

import type { Bar, RejectedRow } from './bar.js'
import type { PlanLimits } from './limit.js'
import type { Refusal, RefusalRow } from './refusal.js'
import type { FetchedOutputsize } from './run.js'

/** What a plan of a provider allows: how many requests, and how much history. */
export interface ProviderPlan {
  readonly limits: PlanLimits
  /** Whether the plan serves the full history, rather than the newest rows alone. */
  readonly servesFullHistory: boolean
}

/** The proxies on the way to a provider. Each text is empty when the setting is absent. */
export interface ProxySettings {
  httpProxy: string
  httpsProxy: string
  /** A list of hosts that are asked directly. */
  noProxy: string
}

/** Asks for the daily series of one symbol. */
export interface DailyRequest {
  symbol: string
  outputsize: FetchedOutputsize
}

/**
 * One answer of a provider. Every record of its daily series is in `rows`, `rejected` or `provisional`, or is counted in
 * `dropped`.
 */
export interface FetchedDaily {
  /** The sound rows, oldest first. No two rows have one date. */
  rows: Bar[]
  /** Records that are not sound, up to a bounded number. */
  rejected: RejectedRow[]
  /** How many records were rejected beside those in `rejected`. */
  dropped: number
  /** Whether the newest record was rejected, so that the newest session is missing from `rows`. */
  newestRejected: boolean
  /** Sound rows of a session that may still be open. They must not be stored. */
  provisional: Bar[]
  /** Size of the answer's body, decoded. */
  bytes: number
  /** Whether the answer says that its prices are made up, as the simulator's answers do. */
  synthetic: boolean
}

/** Sends requests to a provider with one key. */
export interface ProviderClient {
  /**
   * Fetches the daily series of a symbol, with raw prices, by exactly one request: the caller has reserved one request of
   * the quota, and the client may not spend more.
   * @param onDeparture called when the request is written to its connection
   * @throws Refusal when the request brings no series; no field of the refusal holds the key
   * @throws the reason of `signal` when `signal` aborts
   */
  fetchDaily(request: DailyRequest, signal?: AbortSignal, onDeparture?: () => void): Promise<FetchedDaily>
}

/** A connection to a provider, which several keys share. The code that opens the connection closes it. */
export interface ProviderConnection {
  /** Whether requests go through a proxy, which advice to people depends on. */
  readonly viaProxy: boolean
  clientFor(apiKey: string): ProviderClient
  close(): Promise<void>
}

/** What the worker needs of a provider of daily prices. */
export interface Provider<Plan extends string = string> {
  /** The name of the provider, as people know it. */
  readonly name: string
  readonly plans: Readonly<Record<Plan, ProviderPlan>>
  /** How many of the newest rows a request of each outputsize brings; null for all rows. */
  readonly windows: Readonly<Record<FetchedOutputsize, number | null>>
  /** The name of the provider's daily series, under which the ledger remembers whether a key may fetch that series. */
  readonly dailySeries: string
  /** The table of refusals, by class. */
  readonly refusals: Readonly<Record<string, RefusalRow>>
  /**
   * Makes a refusal again that the ledger remembers. A request that would be refused alike is not sent, and fails with this
   * refusal.
   * @param refusalClass the class that the ledger stored
   */
  recall(refusalClass: string, message: string): Refusal
  /** Reads the number of requests a day from the words of a refusal; null when the words state no such number. */
  requestsPerDayIn(words: string): number | null
  /** Makes a function that removes the key from a text, in every encoding of the key. */
  redactorOf(key: string): (text: string) => string
  /**
   * Prepares the way to the provider. No TCP connection is opened before the first request.
   * @throws TypeError when `baseUrl` is no http(s) URL, or has a user, a query or a fragment
   */
  connect(options: { baseUrl: string; proxy: ProxySettings }): ProviderConnection
  /** Loads the code that the first request needs, so that the request does not leave late. Sends the provider nothing. */
  warmUp(): Promise<void>
}
