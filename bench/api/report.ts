import { markdownTable, summarize, withSpread } from '../figures/summary.js'
import { ratioOf } from './measure.js'
import type { Figures } from './measure.js'
import type { Query } from './queries.js'

/** The figures of one query. */
export interface Result {
  query: Query
  ours: Figures
  bare: Figures
  /** The figures in the smaller table. */
  oursSmall: Figures
  bareSmall: Figures
}

const HEAD = [
  '',
  'requests/s',
  'p50, p99',
  '÷ bare: requests/s',
  'p50, p99',
  'in the small table',
  'p50, p99 ÷ small table',
  'p50 ÷ first page',
]

export function tableOf(results: readonly Result[]): string {
  const lines = results.map((result) => {
    const { query, ours, bare, oursSmall, bareSmall } = result
    const toFirst = firstOf(result, results)
    return [
      query.name,
      summarize(ours.rates).median.toFixed(ours.p50 > 100 ? 1 : 0),
      `${ours.p50.toFixed(2)}, ${ours.p99.toFixed(1)} ms`,
      withSpread(ratioOf(ours, bare)),
      `${(ours.p50 / bare.p50).toFixed(2)}, ${(ours.p99 / bare.p99).toFixed(2)}`,
      withSpread(ratioOf(oursSmall, bareSmall)),
      `${(ours.p50 / oursSmall.p50).toFixed(2)}, ${(ours.p99 / oursSmall.p99).toFixed(2)}`,
      toFirst === undefined ? '' : toFirst.toFixed(2),
    ]
  })
  return markdownTable([HEAD, ...lines])
}

/** Returns a line for each target: whether every query holds it, and which do not. */
export function verdictsOf(results: readonly Result[]): string[] {
  const sameWork = results.filter(({ query }) => query.countsAll !== true)
  const inRate = (group: Query['group']) => ({
    name: `${group}: requests/s ÷ bare ≥ 0.9`,
    values: valuesOf(
      results.filter(({ query }) => query.group === group),
      ({ ours, bare }) => ratioOf(ours, bare).median,
    ),
    isHeld: (value: number) => value >= 0.9,
  })
  const targets = [
    inRate('page'),
    inRate('statistics'),
    inRate('latest'),
    {
      name: 'p50 ÷ p50 in the small table ≤ 1.3 (but for what counts all symbols)',
      values: valuesOf(sameWork, ({ ours, oursSmall }) => ours.p50 / oursSmall.p50),
      isHeld: (value: number) => value <= 1.3,
    },
    {
      name: 'p50 of a last page ÷ of the first ≤ 3',
      values: valuesOf(results, (result) =>
        result.query.name.includes('last') ? firstOf(result, results) : undefined,
      ),
      isHeld: (value: number) => value <= 3,
    },
    {
      name: 'p99 ≤ 100 ms',
      values: valuesOf(results, ({ ours }) => ours.p99),
      isHeld: (value: number) => value <= 100,
    },
  ]
  return targets
    .filter(({ values }) => values.length > 0)
    .map(({ name, values, isHeld }) => {
      const missed = values.filter(({ value }) => !isHeld(value))
      const said = missed.map(({ query, value }) => `${query}: ${value.toFixed(2)}`).join('; ')
      const all = values.map(({ value }) => value)
      const bounds = `${Math.min(...all).toFixed(2)} to ${Math.max(...all).toFixed(2)}`
      return missed.length === 0
        ? `held    ${name} (${bounds})`
        : `MISSED  ${name} (${bounds}) by ${missed.length} of ${values.length}: ${said}`
    })
}

function valuesOf(results: readonly Result[], of: (result: Result) => number | undefined) {
  return results.flatMap((result) => {
    const value = of(result)
    return value === undefined ? [] : [{ query: result.query.name, value }]
  })
}

function firstOf({ query, ours }: Result, results: readonly Result[]): number | undefined {
  const first = results.find((other) => other.query.name === query.first)
  return first === undefined ? undefined : ours.p50 / first.ours.p50
}
