import { summarize } from '../figures/summary.js'
import type { LoadGenerator } from './servers.js'

const CONCURRENCY = 8

/** A server that answers, the requests that suit its table, and its figures so far. */
export interface Contestant {
  url: string
  paths: string[]
  /** Requests a second over 8 connections, one figure for each round. */
  rates: number[]
  /** The latency of each request over one connection. */
  latenciesMs: number[]
}

/**
 * Asks each contestant in turn in each round, first over one connection, then over eight. A round before the first, in which
 * code is compiled and caches fill, does not count.
 */
export async function measure(
  contestants: readonly Contestant[],
  options: { generator: LoadGenerator; rounds: number; ms: number },
): Promise<void> {
  const { generator, rounds, ms } = options
  for (let round = 0; round <= rounds; round += 1) {
    for (const { url, paths, rates, latenciesMs } of contestants) {
      const one = await generator.send({ url, paths, concurrency: 1, ms })
      const many = await generator.send({ url, paths, concurrency: CONCURRENCY, ms })
      if (round === 0) continue
      latenciesMs.push(...one.latenciesMs)
      rates.push((1_000 * many.latenciesMs.length) / many.elapsedMs)
    }
  }
}

export interface Figures {
  rates: readonly number[]
  /** Milliseconds over one connection. */
  p50: number
  p99: number
}

export function figuresOf({ rates, latenciesMs }: Contestant): Figures {
  const sorted = latenciesMs.toSorted((a, b) => a - b)
  const quantile = (part: number) => sorted[Math.ceil(part * sorted.length) - 1] ?? NaN
  return { rates, p50: quantile(0.5), p99: quantile(0.99) }
}

/** The ratio of requests a second: its median over the rounds, and its spread. */
export function ratioOf(mine: Figures, others: Figures): { median: number; spread: number } {
  return summarize(mine.rates.map((rate, round) => rate / (others.rates[round] ?? NaN)))
}
