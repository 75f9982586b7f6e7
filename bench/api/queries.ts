import { generator } from '../large-table/prices.js'

/** How many different requests a query makes, so that no single page is asked for all the time. */
const REQUESTS = 100
const SEED = 6

/** What a query needs to know of a table to make its requests. */
export interface Table {
  symbols: readonly string[]
  /** ISO dates, ascending. */
  days: readonly string[]
  /** Asks for a page and returns how many pages there are. */
  pagesOf(path: string): Promise<number>
}

export interface Query {
  name: string
  group: 'page' | 'statistics' | 'latest'
  /** Whether the query adds up the days of every symbol, so that it may take longer in the table with more symbols. */
  countsAll?: true
  /** The name of the query of the first page: this query's p50 may be three times as long at most. */
  first?: string
  paths(table: Table): Promise<string[]>
}

type Filter = (table: Table, random: () => number) => string[]
const WHERE = ['first', 'middle', 'last'] as const

const bySymbol: Filter = ({ symbols }, random) => [`symbol=${one(symbols, random)}`]
const byMonth: Filter = ({ days }, random) => range(days, random, 22)
const byBoth: Filter = (table, random) => [...bySymbol(table, random), ...range(table.days, random, 5 * YEAR)]
const YEAR = 261

export const QUERIES: readonly Query[] = [
  ...pages('by symbol', bySymbol),
  ...pages('by symbol, 5 years', byBoth),
  ...pages('by nothing', () => []),
  ...pages('by month', byMonth, { countsAll: true }),
  ...pages('by 10 years', ({ days }, random) => range(days, random, 10 * YEAR), { countsAll: true }),
  {
    name: 'by symbol, first page of 1,000',
    group: 'page',
    paths: (table) => some((random) => pathOf(bySymbol(table, random), 'limit=1000')),
  },
  {
    name: 'latest=true, first page',
    group: 'latest',
    paths: async () => [pathOf(['latest=true'])],
  },
  statistics('1 month', byMonth),
  statistics('5 years', ({ days }, random) => range(days, random, 5 * YEAR)),
  statistics('everything', ({ days }, random) => range(days, random, days.length)),
  {
    name: 'statistics, 5 years of 50 symbols',
    group: 'statistics',
    paths: ({ symbols, days }) =>
      some((random) => {
        const start = Math.floor(random() * (symbols.length - 49))
        const list = symbols.slice(start, start + 50).join()
        return `/api/statistics?${[`symbols=${list}`, ...range(days, random, 5 * YEAR)].join('&')}`
      }),
  },
]

/** Makes three queries, for the first, a middle and the last page of a filter; a page has 5 rows, which is the default. */
function pages(name: string, filter: Filter, more: Pick<Query, 'countsAll'> = {}): Query[] {
  return WHERE.map((where) => ({
    name: `${name}, ${where} page`,
    group: 'page',
    ...more,
    ...(where === 'first' ? {} : { first: `${name}, first page` }),
    paths: (table) =>
      some(async (random) => {
        const chosen = filter(table, random)
        if (where === 'first') return pathOf(chosen)
        const count = await table.pagesOf(pathOf(chosen))
        return pathOf(chosen, `page=${where === 'last' ? count : middleOf(count, random)}`)
      }),
  }))
}

function middleOf(count: number, random: () => number): number {
  return Math.ceil(count * (0.4 + 0.2 * random()))
}

function statistics(name: string, when: Filter): Query {
  return {
    name: `statistics, ${name}`,
    group: 'statistics',
    paths: (table) =>
      some((random) => `/api/statistics?${[...bySymbol(table, random), ...when(table, random)].join('&')}`),
  }
}

function pathOf(...parameters: (string | string[])[]): string {
  const query = parameters.flat().join('&')
  return `/api/financial_data${query === '' ? '' : `?${query}`}`
}

async function some(
  make: (random: () => number) => string | Promise<string>,
  count = REQUESTS,
): Promise<string[]> {
  const random = generator(SEED)
  const paths: string[] = []
  while (paths.length < count) paths.push(await make(random))
  return [...new Set(paths)]
}

function one<Value>(values: readonly Value[], random: () => number): Value | undefined {
  return values[Math.floor(random() * values.length)]
}

/** The parameters for a range of `count` trading days in a row. */
function range(days: readonly string[], random: () => number, count: number): string[] {
  const start = Math.floor(random() * (days.length - count + 1))
  return [`start_date=${days[start]}`, `end_date=${days[start + count - 1]}`]
}
