import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import type { Row } from '../row.js'

const NEW_KEY = 'CANARY+ROTATED/9876543210'
const CONCURRENCY = 4

export const keyRotated: Row = {
  number: 29,
  title: 'the key is rotated in the middle of a run: the next requests use it, without a restart',
  backends: ['redis'],
  quick: true,
  world: { keyFile: true, concurrency: CONCURRENCY },
  async run({ http, keyFile, secrets, random, simulator, until, drained }) {
    secrets.push(NEW_KEY, encodeURIComponent(NEW_KEY))
    await http.ingest(Array.from({ length: 20 }, (_, index) => `SYM${index}`))
    const moment = random.between(1, 10)
    await until(`${moment} requests`, () => simulator.arrivals().length >= moment)
    await writeFile(keyFile, NEW_KEY)
    const before = simulator.arrivals().length
    await drained()
    const fingerprint = createHash('sha256').update(NEW_KEY).digest('hex').slice(0, 8)
    const after = simulator.arrivals().slice(before)
    const withOld = after.findLastIndex((arrival) => arrival.keyFingerprint !== fingerprint) + 1
    // Those that had their slot already.
    if (withOld > CONCURRENCY || after.length <= withOld)
      throw new Error(`${withOld} of ${after.length} requests after the rotation had the old key`)
  },
}
