import type { Bar, RejectedRow } from './bar.js'
import type { PlanLimits } from './limit.js'
import type { Refusal, RefusalRow } from './refusal.js'
import type { FetchedOutputsize } from './run.js'

/** What a plan of a provider allows. */
export interface ProviderPlan {
  readonly limits: PlanLimits
  /** Whether the plan serves the full history, rather than the newest rows alone. */
  readonly servesFullHistory: boolean
}

/** Addresses of proxies, empty where none is set. */
export interface ProxySettings {
  httpProxy: string
  httpsProxy: string
  /** A list of hosts that are asked directly. */
  noProxy: string
}

export interface DailyRequest {
  symbol: string
  outputsize: FetchedOutputsize
}

/** One answer of a provider: every record of its daily series is in one of the three lists, or dropped. */
export interface FetchedDaily {
  /** The sound rows, oldest first, of which no two have the same date. */
  rows: Bar[]
  /** Records that are not sound, a bounded number. */
  rejected: RejectedRow[]
  /** How many more records were rejected. */
  dropped: number
  /** Whether the newest record was rejected, so that the sound rows are not all there is. */
  newestRejected: boolean
  /** Sound rows of a session that may still be open, which are not to be stored. */
  provisional: Bar[]
  /** Size of the decoded body. */
  bytes: number
  /** Whether the answer says of itself that its prices are made up. */
  synthetic: boolean
}

/** Sends requests with one key. */
export interface ProviderClient {
  /**
   * Fetches the daily series of a symbol, raw prices, with exactly one request: the quota is not the client's to spend.
   * @param onDeparture called when the request is written to its connection
   * @throws Refusal, in which the key is nowhere; the reason of `signal` once that aborts
   */
  fetchDaily(request: DailyRequest, signal?: AbortSignal, onDeparture?: () => void): Promise<FetchedDaily>
}

/** The way to a provider, which its opener closes. */
export interface ProviderConnection {
  /** Whether a proxy is on the way, for advice. */
  readonly viaProxy: boolean
  clientFor(apiKey: string): ProviderClient
  close(): Promise<void>
}

/** What the worker needs of a provider of daily prices. */
export interface Provider<Plan extends string = string> {
  /** The name of the provider, for people. */
  readonly name: string
  readonly plans: Readonly<Record<Plan, ProviderPlan>>
  /** How many of the newest rows a request of each outputsize brings; null: all that there are. */
  readonly windows: Readonly<Record<FetchedOutputsize, number | null>>
  /** The name of the provider's daily series, by which the ledger knows what a key may have. */
  readonly dailySeries: string
  /** The table of refusals, by class. */
  readonly refusals: Readonly<Record<string, RefusalRow>>
  /**
   * Makes again a refusal that the ledger remembers, for a request that is not sent because of it.
   * @param refusalClass the stored class
   */
  recall(refusalClass: string, message: string): Refusal
  /** Reads the daily limit that the words of a refusal state; null when they state none. */
  requestsPerDayIn(words: string): number | null
  /** Makes the function that takes a key out of any text, however the key is encoded there. */
  redactorOf(key: string): (text: string) => string
  /**
   * Opens no connection before the first request.
   * @throws TypeError when `baseUrl` is no http(s) URL, or has a user, a query or a fragment
   */
  connect(options: { baseUrl: string; proxy: ProxySettings }): ProviderConnection
  /** Loads what the first request needs, so that the request does not leave late. Asks nothing of the provider. */
  warmUp(): Promise<void>
}
