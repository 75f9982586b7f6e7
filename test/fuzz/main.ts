import { parseArgs } from 'node:util'
import { startProgram } from '../servers/programs.js'
import { startTemporaryPostgres } from '../servers/temporary-postgres.js'
import { fuzz } from './fuzz.js'
import { reportText } from './report.js'
import { seedData } from './seed-data.js'

const HELP = `usage: pnpm fuzz [--requests 100000] [--seed S] [--path P]

Sends requests made from apps/api/openapi.json (valid, with one constraint broken, hostile, and no HTTP at all) to a
real API over a real PostgreSQL, and judges every answer by the same document. Exits with 1 when one differs.
  --requests N  how many
  --seed S      the same seed sends the same requests; by default another one each time
  --path P      as printed with a failure: repeats that request alone
`

/** `pnpm fuzz` */
const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '100000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    path: { type: 'string' },
    help: { type: 'boolean' },
  },
})
const [requests, seed] = [Number(values.requests), Number(values.seed)]
if (values.help === true || !Number.isSafeInteger(requests) || !Number.isSafeInteger(seed)) {
  console.error(HELP)
  process.exitCode = values.help === true ? 0 : 2
} else {
  const interrupted = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort())
  // The data is thrown away, so that speed is worth more than durability.
  const server = await startTemporaryPostgres({
    fsync: 'off',
    synchronous_commit: 'off',
    full_page_writes: 'off',
  })
  try {
    const databaseUrl = await server.createDatabase('fuzz')
    const env = { DATABASE_URL: databaseUrl, PORT: '0', LOG_LEVEL: 'error' }
    const api = await startProgram('api', { env })
    try {
      const known = await seedData(api, databaseUrl)
      const one = values.path === undefined ? {} : { path: values.path, requests: 1 }
      const report = await fuzz({
        baseUrl: api.url,
        known,
        requests,
        seed,
        signal: interrupted.signal,
        ...one,
      })
      console.log(reportText(report, seed))
      const isClean = report.differing === 0 && api.output() === '' && !interrupted.signal.aborted
      // At this level the API logs only what it takes for its own fault.
      if (api.output() !== '') console.log(`the API logged:\n${api.output().slice(0, 10_000)}`)
      process.exitCode = isClean ? 0 : 1
    } finally {
      await api.stop()
    }
  } finally {
    await server.stop()
  }
}
