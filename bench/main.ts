import { parseArgs } from 'node:util'
import { benchApi } from './api/api.js'
import { benchExport } from './export.js'
import { benchIngest } from './ingest/ingest.js'
import { STANDARD_DIRECTORY } from './large-table/open.js'
import { benchQuota } from './quota/quota.js'
import { benchCostlyClients } from './slow-clients/costly-clients.js'
import { benchSlowClients } from './slow-clients/slow-clients.js'
import { benchUpsert } from './upsert.js'

const HELP = `usage: pnpm bench ingest [--rounds 5] [--symbols 50] [--years 20]
       pnpm bench quota [--quick]
       pnpm bench api [--rounds 5] [--seconds 0.5] [--only TEXT] [--data DIR] [--fresh]
       pnpm bench export [--rounds 5] [--data DIR] [--fresh]
       pnpm bench upsert [--rounds 5]
       pnpm bench slow-clients [--rounds 5] [--sockets 500] [--seconds 10]

ingest: rows a second, simulator → worker → PostgreSQL, against COPY of the same rows, in the same run
  --rounds N   how often each is measured, in turn
  --symbols N  in each round
  --years N    of history a symbol
quota: how much of the provider's limits is used, and whether one is ever exceeded; ours and other limiters, judged by
the simulator's log (26 minutes, in real time). Exits with 1 when ours exceeds a limit or misses its target.
  --quick      only the rows that take less than half a minute each (3 minutes)
api: each query against a bare route with the best SQL by hand, at 25 million and at 250,000 rows, in turn. Exits with 1
when the two answer differently. The tables are loaded at the first run (ten minutes, 6 GB) and kept.
  --seconds S  for each measurement
  --only TEXT  only queries whose name has it in it
  --data DIR   where the tables are kept; by default .stockpile/bench
  --fresh      load them anew
export: 5 million rows through the API as CSV and as NDJSON, against psql's COPY … TO STDOUT (needs psql), in turn, and how far
the API's memory grows. Exits with 1 when it is not whole or misses its target. The table is kept, as for api
upsert: what the triggers that count, the days of symbols and the columns in the primary key cost the upsert of a symbol
slow-clients: what sockets that trickle their headers, trickle their bodies or do not read cost other clients, measured
beside none of them in turn, and when the server closes them (some 50 seconds a round); then the same for a client with four
exports that it does not read and eight heavy statistics. Exits with 1 when one is not closed, when the slowest of a hundred
pages takes more than three times as long beside the latter, or when another's export is refused
  --sockets N  how many of them; 0: the latter alone
  --seconds N  of each measurement

REDIS_URL adds the queue on Redis; quota also takes redis-server from the PATH.
`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '5' },
    symbols: { type: 'string', default: '50' },
    years: { type: 'string', default: '20' },
    seconds: { type: 'string' },
    only: { type: 'string', default: '' },
    data: { type: 'string', default: STANDARD_DIRECTORY },
    fresh: { type: 'boolean', default: false },
    sockets: { type: 'string', default: '500' },
    quick: { type: 'boolean', default: false },
    help: { type: 'boolean' },
  },
})
const [name] = positionals
if (values.help === true) {
  console.log(HELP)
} else if (name === 'ingest') {
  await benchIngest({
    rounds: Number(values.rounds),
    symbols: Number(values.symbols),
    years: Number(values.years),
    redisUrl: process.env['REDIS_URL'],
  })
} else if (name === 'quota') {
  await benchQuota({ quick: values.quick })
} else if (name === 'api') {
  await benchApi({
    directory: values.data,
    fresh: values.fresh,
    rounds: Number(values.rounds),
    seconds: Number(values.seconds ?? '0.5'),
    only: values.only,
  })
} else if (name === 'export') {
  await benchExport({ directory: values.data, fresh: values.fresh, rounds: Number(values.rounds) })
} else if (name === 'upsert') {
  await benchUpsert({ rounds: Number(values.rounds) })
} else if (name === 'slow-clients') {
  const [rounds, seconds] = [Number(values.rounds), Number(values.seconds ?? '10')]
  if (values.sockets !== '0') await benchSlowClients({ rounds, sockets: Number(values.sockets), seconds })
  await benchCostlyClients({ rounds, seconds })
} else {
  console.error(HELP)
  process.exitCode = 2
}
