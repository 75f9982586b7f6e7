import { finished, IN_FLIGHT, ingest, midway, requestsOf, symbolsNamed } from './api.js'
import { assert } from './claims.js'
import type { Claims } from './claims.js'
import { docker } from './docker.js'
import { PROJECT } from './stack.js'
import type { Stack } from './stack.js'

/** Checks that work goes on with several workers, with one of them killed, and with the queue lost. */
export async function checkInterruptions(stack: Stack, { claim }: Claims): Promise<void> {
  stack.demo(true)
  await claim('with --scale worker=3, 300 symbols succeed, each requested once', async () => {
    await stack.up('--build', '--scale', 'worker=3')
    const symbols = symbolsNamed('SCALE', 300)
    await finished(await ingest(symbols))
    const shares = []
    for (const id of await stack.containers('worker')) {
      shares.push(
        (await docker(['logs', id])).split('\n').filter((line) => line.includes('"symbol":"SCALE')).length,
      )
    }
    assert(shares.length === 3 && !shares.includes(0), `the workers stored ${shares.join(', ')}`)
    return `${requestsOf(symbols, await stack.arrivals())}; the workers stored ${shares.join(', ')}`
  })
  await claim(
    'with one of three workers killed (SIGKILL), 300 symbols succeed, each stored once',
    async () => {
      // The provider is so slow that the killed worker has symbols in flight.
      await stack.slowDown(500)
      return interrupt(stack, 'KILL', { symbols: 300, after: 100 }, async () => {
        const [victim = ''] = await stack.containers('worker')
        await docker(['kill', '--signal', 'KILL', victim])
      })
    },
  )
  await claim("with Redis's container and volume removed in the middle, the run finishes", async () => {
    await stack.up('--scale', 'worker=1')
    await stack.slowDown(200)
    return interrupt(stack, 'REDIS', { symbols: 100, after: 30 }, async () => {
      await stack.compose('rm', '--stop', '--force', 'redis')
      await docker(['volume', 'rm', `${PROJECT}_redis`])
      await stack.up()
    })
  })
}

/**
 * Breaks something in the middle of a run, and checks that the run succeeds and that the rows that it counts are there.
 * @param run.after how many symbols have succeeded when `breakIt` is called
 * @returns a sentence that says when that was, how often symbols were requested, and how many rows there are
 */
export async function interrupt(
  stack: Stack,
  prefix: string,
  { symbols: count, after }: { symbols: number; after: number },
  breakIt: () => Promise<unknown>,
): Promise<string> {
  const symbols = symbolsNamed(prefix, count)
  const id = await ingest(symbols)
  const { counts } = await midway(id, after)
  await breakIt()
  const run = await finished(id)
  const rows = await stack.psql(
    'stockpile_demo',
    `select count(*) from financial_data where symbol like '${prefix}%'`,
  )
  assert(rows === String(run.rows.inserted), `${run.rows.inserted} rows inserted, ${rows} are there`)
  // Symbols that a worker had requested and not stored are requested again.
  const requests = requestsOf(symbols, await stack.arrivals(), IN_FLIGHT)
  return `broken at ${counts.succeeded}; ${requests}; ${rows} rows inserted and there`
}
