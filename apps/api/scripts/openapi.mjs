// Writes openapi.json as the built API serves it, or with --check fails when the committed file says something else.
import { readFileSync, writeFileSync } from 'node:fs'
import { connect } from '@stockpile/db/connection'
import { pgOptions } from '@stockpile/db/driver-options'
import { createLogger } from '@stockpile/log/logger'
import { openQueue } from '@stockpile/queue/queue'
import { buildApp } from '../dist/app.js'

const FILE = new URL('../openapi.json', import.meta.url)
const COMMAND = 'pnpm run openapi'
// The document needs neither database nor queue, whose connections open only when they are used: no server listens on port 1.
const NOWHERE = 'postgres://127.0.0.1:1/nowhere'

const connection = connect({
  databaseUrl: NOWHERE,
  applicationName: 'openapi',
  maxConnections: 1,
  statementTimeoutMs: 0,
})
const queue = openQueue({ backend: { kind: 'postgres', server: pgOptions(NOWHERE) }, onError: () => {} })
const app = await buildApp({
  db: connection.db,
  queue: queue.handle,
  logger: createLogger({ service: 'api', level: 'fatal', output: process.stderr }),
})
try {
  const { body } = await app.inject('/openapi.json')
  const served = `${JSON.stringify(JSON.parse(body), null, 2)}\n`
  if (!process.argv.includes('--check')) writeFileSync(FILE, served)
  else if (readFileSync(FILE, 'utf8') !== served) {
    console.error(
      `The API serves another document than apps/api/openapi.json: run \`${COMMAND}\` and commit it.`,
    )
    process.exitCode = 1
  }
} finally {
  await app.close()
  await Promise.all([queue.close(), connection.close()])
}
