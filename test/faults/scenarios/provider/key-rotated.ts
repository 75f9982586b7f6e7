import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { NEXT_API_KEY } from '../../environment/canary.js'
import { symbols } from '../../environment/symbols.js'
import { midway } from '../../steps/midway.js'
import type { Scenario } from '../scenario.js'

const CONCURRENCY = 4

export const keyRotated: Scenario = {
  number: 29,
  title: 'the key is rotated in the middle of a run: the next requests use it, without a restart',
  backends: ['redis'],
  quick: true,
  environment: { keyFile: true, concurrency: CONCURRENCY },
  async run(environment) {
    const { http, keyFile, simulator, drained } = environment
    await http.ingest(symbols(20))
    await midway(environment, 10)
    await writeFile(keyFile, NEXT_API_KEY)
    const before = simulator.arrivals().length
    await drained()
    const fingerprint = createHash('sha256').update(NEXT_API_KEY).digest('hex').slice(0, 8)
    const after = simulator.arrivals().slice(before)
    const withOld = after.findLastIndex((arrival) => arrival.keyFingerprint !== fingerprint) + 1
    // Requests that had their slot before the rotation may carry the old key.
    if (withOld > CONCURRENCY || after.length <= withOld)
      throw new Error(`${withOld} of ${after.length} requests after the rotation had the old key`)
  },
}
