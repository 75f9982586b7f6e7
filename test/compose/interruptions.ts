import { assert } from './claims.js'
import type { Claims } from './claims.js'
import { docker } from './docker.js'
import { finished, IN_FLIGHT, ingest, midway, PROJECT, requestsOf, symbolsNamed } from './stack.js'
import type { Stack } from './stack.js'

/** Many workers, one of them killed, and the queue lost. */
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
      // So slow that the killed worker has symbols in flight.
      await stack.slowDown(500)
      const symbols = symbolsNamed('KILL', 300)
      const id = await ingest(symbols)
      const { counts } = await midway(id, 100)
      const [victim = ''] = await stack.containers('worker')
      await docker(['kill', '--signal', 'KILL', victim])
      const run = await finished(id)
      const rows = await stack.psql(
        'stockpile_demo',
        "select count(*) from financial_data where symbol like 'KILL%'",
      )
      assert(rows === String(run.rows.inserted), `${run.rows.inserted} rows inserted, ${rows} are there`)
      // What it had asked for and not stored is lost with it.
      const requests = requestsOf(symbols, await stack.arrivals(), IN_FLIGHT)
      return `killed at ${counts.succeeded}; ${requests}; ${rows} rows inserted and there`
    },
  )
  await claim("with Redis's container and volume removed in the middle, the run finishes", async () => {
    await stack.up('--scale', 'worker=1')
    await stack.slowDown(200)
    const symbols = symbolsNamed('REDIS', 100)
    const id = await ingest(symbols)
    const { counts } = await midway(id, 30)
    await stack.compose('rm', '--stop', '--force', 'redis')
    await docker(['volume', 'rm', `${PROJECT}_redis`])
    await stack.up()
    await finished(id)
    return `removed at ${counts.succeeded}; ${requestsOf(symbols, await stack.arrivals(), IN_FLIGHT)}`
  })
}
