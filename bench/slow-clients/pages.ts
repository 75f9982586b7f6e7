import { setTimeout as sleep } from 'node:timers/promises'
import { summarize, withSpread } from '../figures/summary.js'

const CLIENTS = 4

/** How fast pages were answered; p50 and p99 in milliseconds. */
export interface Latency {
  perSecond: number
  p50: number
  p99: number
}

/** Asks for pages of financial data for `ms` milliseconds, by a few clients that each send one request after another. */
export async function measurePages(baseUrl: string, symbol: string, ms: number): Promise<Latency> {
  const times: number[] = []
  const endsAt = performance.now() + ms
  const work = async () => {
    while (performance.now() < endsAt) {
      const startedAt = performance.now()
      const response = await fetch(`${baseUrl}/api/financial_data?symbol=${symbol}`)
      await response.text()
      if (!response.ok) throw new Error(`an ordinary client got ${response.status}`)
      times.push(performance.now() - startedAt)
      await sleep(1)
    }
  }
  await Promise.all(Array.from({ length: CLIENTS }, work))
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number) => sorted[Math.floor(sorted.length * share)] ?? NaN
  return { perSecond: (times.length / ms) * 1_000, p50: at(0.5), p99: at(0.99) }
}

export function rowOfLatencies(name: string, measured: readonly Latency[]): string[] {
  const cell = (values: number[]) => withSpread(summarize(values), 1)
  return [
    name,
    cell(measured.map((one) => one.perSecond)),
    cell(measured.map((one) => one.p50)),
    cell(measured.map((one) => one.p99)),
  ]
}
