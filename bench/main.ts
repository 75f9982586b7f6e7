import { parseArgs } from 'node:util'
import { benchIngest } from './ingest.js'

const BENCHMARKS = { ingest: benchIngest }

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '5' },
    symbols: { type: 'string', default: '50' },
    years: { type: 'string', default: '20' },
    help: { type: 'boolean' },
  },
})
const name = positionals[0]
if (values.help === true || name === undefined || !(name in BENCHMARKS)) {
  console.error(
    `usage: pnpm bench <${Object.keys(BENCHMARKS).join('|')}> [--rounds 5] [--symbols 50] [--years 20]`,
  )
  process.exitCode = values.help === true ? 0 : 2
} else {
  await benchIngest({
    rounds: Number(values.rounds),
    symbols: Number(values.symbols),
    years: Number(values.years),
    redisUrl: process.env['REDIS_URL'],
  })
}
