import { loadavg, totalmem } from 'node:os'
import * as z from 'zod'
import { describeMachine } from '../figures/machine.js'
import type { Size } from '../large-table/load.js'
import { openLargeTables, SETTINGS } from '../large-table/open.js'
import { tickersOf, tradingDays } from '../large-table/prices.js'
import { figuresOf, measure } from './measure.js'
import type { Contestant } from './measure.js'
import { QUERIES } from './queries.js'
import type { Query, Table } from './queries.js'
import { tableOf, verdictsOf } from './report.js'
import type { Result } from './report.js'
import { startBare, startLoadGenerator, startOurs } from './servers.js'

const LARGE: Size = { symbols: 5_000, days: 5_000 }
const SMALL: Size = { symbols: 50, days: 5_000 }

/**
 * `pnpm bench api`: our API against a bare route with the best SQL by hand, in a table of 25 million rows and in one of
 * 250,000, all four in turn. Prints ratios and which targets hold; a missed target is no failure.
 * @throws Error when the two answer differently
 */
export async function benchApi(options: {
  directory: string
  fresh: boolean
  rounds: number
  seconds: number
  /** Measures only queries whose name contains this text. */
  only: string
}): Promise<void> {
  const tables = await openLargeTables({ ...options, log: console.log })
  const closers: (() => Promise<unknown>)[] = [() => tables.stop()]
  try {
    const [large, small] = [await tables.open(LARGE), await tables.open(SMALL)]
    const begin = async (start: typeof startBare, databaseUrl: string) => {
      const server = await start(databaseUrl)
      closers.push(() => server.stop())
      return server.url
    }
    const urls = {
      ours: await begin(startOurs, large),
      bare: await begin(startBare, large),
      oursSmall: await begin(startOurs, small),
      bareSmall: await begin(startBare, small),
    }
    const generator = startLoadGenerator()
    closers.push(() => generator.stop())
    console.log(machine())
    const results: Result[] = []
    for (const query of QUERIES.filter(({ name }) => name.includes(options.only))) {
      const inLarge = await query.paths(tableAt(urls.ours, LARGE))
      const inSmall = await query.paths(tableAt(urls.oursSmall, SMALL))
      await assertSame(inLarge, urls.ours, urls.bare)
      await assertSame(inSmall, urls.oursSmall, urls.bareSmall)
      const of = (url: string, paths: string[]): Contestant => ({ url, paths, rates: [], latenciesMs: [] })
      const contestants = {
        ours: of(urls.ours, inLarge),
        bare: of(urls.bare, inLarge),
        oursSmall: of(urls.oursSmall, inSmall),
        bareSmall: of(urls.bareSmall, inSmall),
      }
      await measure(Object.values(contestants), {
        generator,
        rounds: options.rounds,
        ms: options.seconds * 1_000,
      })
      const result = resultOf(query, contestants)
      results.push(result)
      console.log(`${tableOf([result]).split('\n').at(-1)} load ${loadavg()[0]?.toFixed(1)}`)
    }
    console.log(`\n<!-- bench:api -->\n${tableOf(results)}\n\n${verdictsOf(results).join('\n')}`)
  } finally {
    for (const close of closers.toReversed()) await close()
  }
}

function resultOf(
  query: Query,
  contestants: Record<'ours' | 'bare' | 'oursSmall' | 'bareSmall', Contestant>,
): Result {
  const { ours, bare, oursSmall, bareSmall } = contestants
  return {
    query,
    ours: figuresOf(ours),
    bare: figuresOf(bare),
    oursSmall: figuresOf(oursSmall),
    bareSmall: figuresOf(bareSmall),
  }
}

const paginated = z.object({ pagination: z.object({ pages: z.int() }) })

function tableAt(url: string, { symbols, days }: Size): Table {
  return {
    symbols: tickersOf(symbols),
    days: tradingDays(days),
    async pagesOf(path) {
      return paginated.parse(JSON.parse(await bodyOf(url + path))).pagination.pages
    },
  }
}

/** @throws Error when two bodies differ in a byte */
async function assertSame(paths: readonly string[], ours: string, bare: string): Promise<void> {
  for (const path of paths) {
    const [one, other] = [await bodyOf(ours + path), await bodyOf(bare + path)]
    if (one !== other) throw new Error(`the answers to ${path} differ:\n${one}\n${other}`)
  }
}

async function bodyOf(url: string): Promise<string> {
  const response = await fetch(url)
  const body = await response.text()
  if (response.status !== 200) throw new Error(`${response.status} from ${url}: ${body}`)
  return body
}

function machine(): string {
  const settings = Object.entries(SETTINGS).map(([name, value]) => `${name} ${value}`)
  return `${describeMachine()}, ${Math.round(totalmem() / 2 ** 30)} GB; Node ${process.versions.node}; PostgreSQL with ${settings.join(', ')}`
}
