import { countOf, finished, ingest, lineWith } from './api.js'
import { assert } from './claims.js'
import type { Claims } from './claims.js'
import type { Stack } from './stack.js'

/** Characters that separate parts of a URL, or that mean something to .env, a shell or SQL. */
const ODD = '@ / # ? % %41 : & = + \\ " $HOME'
const PASSWORDS = {
  POSTGRES_PASSWORD: `owner ${ODD}`,
  API_DATABASE_PASSWORD: `api ${ODD}`,
  WORKER_DATABASE_PASSWORD: `worker ${ODD}`,
}

/** Checks the passwords in .env, from an empty volume on. */
export async function checkPasswords(stack: Stack, { claim }: Claims): Promise<void> {
  const use = (passwords: Record<string, string>) =>
    stack.environment(
      Object.entries(passwords)
        .map(([name, password]) => `${name}='${password}'\n`)
        .join(''),
    )
  await stack.down('--volumes')
  await stack.override({})
  stack.demo(true)
  await claim(`the three passwords may hold ${ODD}`, async () => {
    await use(PASSWORDS)
    await stack.up('--build')
    const given = await Promise.all([
      stack.compose('exec', '-T', 'postgres', 'printenv', 'POSTGRES_PASSWORD'),
      stack.compose('exec', '-T', 'api', 'printenv', 'DATABASE_PASSWORD'),
      stack.compose('exec', '-T', 'worker', 'printenv', 'DATABASE_PASSWORD'),
    ])
    const arrived = given.map((line) => line.replace(/\n$/, ''))
    assert(arrived.join() === Object.values(PASSWORDS).join(), `the containers have ${arrived.join(', ')}`)
    const run = await finished(await ingest(['MSFT']))
    const prices = await countOf('/api/financial_data?symbol=MSFT')
    assert(prices === run.rows.inserted, `${run.rows.inserted} rows inserted, ${prices} served`)
    return `all healthy; ${prices} rows inserted and served`
  })
  await claim('no password is in a log', async () => {
    const services = ['postgres', 'demo-database', 'migrate', 'api', 'worker', 'simulator', 'adminer']
    const logs = await Promise.all(services.map((service) => stack.logs(service)))
    // JSON escapes the backslash and the quote, so only the part before them is searched for.
    const [telling = ''] = ODD.split(' \\')
    // URLs have passwords percent-encoded.
    const spellings = [telling, encodeURIComponent(telling)]
    const saying = services.filter((_, index) =>
      spellings.some((spelling) => logs[index]?.includes(spelling)),
    )
    assert(saying.length === 0, `it is in the log of ${saying.join(', ')}`)
    return services.join(', ')
  })
  for (const [service, demo] of [
    ['demo-database', true],
    ['migrate', false],
  ] as const) {
    const mode = demo ? 'in the demo' : 'without the demo'
    await claim(
      `${mode}, up over a volume with another POSTGRES_PASSWORD fails, and ${service} says why`,
      async () => {
        await stack.down()
        stack.demo(demo)
        await use({ ...PASSWORDS, POSTGRES_PASSWORD: 'changed' })
        const outcome = await stack.up().then(
          () => 'up succeeded',
          (error: unknown) => String(error),
        )
        assert(outcome.includes(`service "${service}" didn't complete successfully: exit 1`), outcome)
        const log = await stack.logs(service)
        const line = lineWith(log, 'a volume keeps the password that POSTGRES_PASSWORD was when it was made')
        assert(line !== '', `it says:\n${log}`)
        return line
      },
    )
  }
  await claim('with that one put back and the other two changed, up succeeds', async () => {
    await use({ ...PASSWORDS, API_DATABASE_PASSWORD: 'changed', WORKER_DATABASE_PASSWORD: 'changed too' })
    await stack.up()
    return `all healthy; ${await countOf('/api/ingest')} run is there`
  })
  await stack.down('--volumes')
  await stack.environment('')
}
