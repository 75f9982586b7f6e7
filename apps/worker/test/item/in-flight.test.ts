import { connect } from '@stockpile/db/connection'
import { takeItem } from '@stockpile/db/items'
import { waitFor } from '@stockpile/test-harness/process'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { InFlight, watchClaims } from '../../src/item/in-flight.js'
import { useSystem } from '../system.js'

const DEADLINE_MS = 20_000
const system = useSystem()

test('a database that is away while items are in flight is one line in the log, not one at each look', async () => {
  await system.ingest(['IBM'], { dispatch: false })
  const [row] = await system.db.execute<{ id: number }>('SELECT id::float8 AS id FROM ingest_items')
  const item = await takeItem(system.db, row?.id ?? 0)
  if (item === null) throw new Error('not taken')
  // Nobody listens there.
  const away = connect({
    databaseUrl: 'postgres://nobody@127.0.0.1:1/none',
    applicationName: 'test',
    maxConnections: 1,
    statementTimeoutMs: 1_000,
  })
  let looks = 0
  const counted = new Proxy(away.db, {
    get(target, name) {
      if (name === 'execute') looks += 1
      return Reflect.get(target, name, target) as unknown
    },
  })
  const lines: string[] = []
  const logger = pino({ level: 'debug' }, { write: (line: string) => lines.push(line) })
  const inFlight = new InFlight()
  const watching = new AbortController()
  await inFlight.hold(item, async (signal) => {
    const watched = watchClaims({ db: counted, inFlight, logger }, watching.signal)
    await waitFor(() => looks >= 4, { deadlineMs: DEADLINE_MS, what: 'looks' })
    watching.abort()
    await watched
    // It may be this worker's still: the fence decides when it is written.
    expect(signal.aborted).toBe(false)
  })
  await away.close()
  expect(lines).toHaveLength(1)
  expect(lines[0]).toContain('cannot check whether items in flight were cancelled')
})
