import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Row } from '../row.js'
import { POST_LIMIT_MS } from '../row.js'
import { mountSmallDisk } from '../small-disk.js'
import { symbols } from '../symbols.js'

const MEBIBYTES = 8
const LASTS_MS = 10_000

export const queueDiskFull: Row = {
  number: 38,
  title:
    'the disk of Redis is full, so that it takes no writes: what is accepted stays pending, and is sent when it is free',
  backends: ['redis'],
  // Else its folder could not be changed.
  world: { redisSettings: { 'enable-protected-configs': 'yes' } },
  async run({ servers, http, redis, simulator, until, drained }) {
    const disk = await mountSmallDisk(join(servers.folder, 'queue_disk'), MEBIBYTES, servers.folder)
    if (typeof disk === 'string') return { skipped: disk }
    try {
      // Every second, as by default: with `always` Redis ends itself when it cannot write.
      await redis?.ask((client) => client.config('SET', 'dir', disk.folder))
      await redis?.ask((client) => client.config('SET', 'appendonly', 'yes'))
      await http.ingest(symbols(20, 'BEFORE'))
      await until('the first requests', () => simulator.arrivals().length >= 3)
      await disk.fill()
      const accepted = await http.ingest(symbols(20, 'MEANWHILE'))
      if (accepted.ms > POST_LIMIT_MS) throw new Error(`A POST took ${accepted.ms} ms`)
      await sleep(LASTS_MS)
      await disk.free()
      const freeAt = performance.now()
      await drained(120_000)
      return { recoveryMs: Math.round(performance.now() - freeAt) }
    } finally {
      await redis?.kill()
      await redis?.start()
      await disk.remove()
    }
  },
}
