import * as z from 'zod'
import { finished, get, lineWith, waitFor } from './api.js'
import { assert } from './claims.js'
import type { Claims } from './claims.js'
import { docker } from './docker.js'
import { PROJECT } from './stack.js'
import type { Stack } from './stack.js'

const PROVIDER = `${PROJECT}-provider`
const KEY = 'not-a-key-but-secret-7391'
const runsSchema = z.object({ data: z.array(z.object({ id: z.string() })) })

/** Checks the project without the demo: the API key, and a Redis that would lose jobs. A simulator beside it is the provider. */
export async function checkReal(stack: Stack, { claim }: Claims): Promise<void> {
  await claim('after the demo, up without a key succeeds, and the worker says what is missing', async () => {
    await stack.down()
    stack.demo(false)
    await stack.environment('')
    await stack.override({ worker: { environment: { ALPHAVANTAGE_BASE_URL: 'http://provider:8080' } } })
    await stack.up('--build')
    const log = await logUntil(stack, 'worker', 'waiting for an API key')
    assert(!log.includes('SYNTHETIC'), 'the worker is still in the demo')
    const { data } = runsSchema.parse(await get('/api/ingest'))
    assert(data.length === 1, `${data.length} runs are there, and not just the first`)
    return `"${z.object({ msg: z.string() }).parse(JSON.parse(lineWith(log, 'waiting for'))).msg}"`
  })
  await claim('a key file that appears starts the work', async () => {
    const network = ['--network', `${PROJECT}_default`, '--network-alias', 'provider']
    const command = ['packages/alphavantage/dist/simulator/main.js', '--host', '0.0.0.0', '--port', '8080']
    await docker(['run', '--rm', '--detach', '--name', PROVIDER, ...network, 'stockpile', 'node', ...command])
    try {
      await stack.writeKey(KEY)
      const [run] = runsSchema.parse(await get('/api/ingest')).data
      const { counts, rows } = await finished(run?.id ?? '')
      assert(!(await stack.logs('worker')).includes(KEY), 'the key is in the log')
      return `${counts.succeeded} symbols, ${rows.inserted} rows; the key is in no log`
    } finally {
      await docker(['kill', PROVIDER])
    }
  })
  await claim(
    'no restart turns what runs into a demo, and a sign that nobody renews turns nothing',
    async () => {
      const sign = [
        'run',
        '--rm',
        '--volume',
        `${PROJECT}_demo:/run/demo`,
        '--entrypoint',
        'touch',
        'stockpile',
      ]
      await docker([...sign, '/run/demo/sign'])
      await stack.compose('restart', 'api', 'worker', 'migrate')
      await stack.up()
      const fresh = ['exec', '-T', 'worker', 'find', '/run/demo/sign', '-newermt', '-20 seconds']
      await waitFor(
        () => 'the sign to be out of date',
        async () => (await stack.compose(...fresh)).trim() === '' || undefined,
      )
      await stack.up('--scale', 'worker=2')
      const logs = await Promise.all(['api', 'worker', 'migrate'].map((service) => stack.logs(service)))
      assert(!logs.some((log) => log.includes('SYNTHETIC')), 'a process went over to the demo')
      return 'api, worker and migrate restarted, and a new worker began, with the prices they had'
    },
  )
  await claim('API and worker refuse a Redis that evicts, and say what to set', async () => {
    const command = ['redis-server', '--appendonly', 'yes', '--maxmemory-policy', 'allkeys-lru']
    await stack.override({ redis: { command } })
    await stack.compose('up', '--detach', '--force-recreate')
    const sentence = 'maxmemory-policy noeviction'
    const [api] = await Promise.all(['api', 'worker'].map((service) => logUntil(stack, service, sentence)))
    return lineWith(api ?? '', sentence)
  })
}

/** Waits for words in a service's log, and returns the log. */
function logUntil(stack: Stack, service: string, words: string): Promise<string> {
  return waitFor(
    () => `"${words}" in the log of ${service}`,
    async () => {
      const log = await stack.logs(service)
      return log.includes(words) ? log : undefined
    },
  )
}
