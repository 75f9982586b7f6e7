import { join } from 'node:path'
import { mountSmallDisk } from '../../disturbances/small-disk.js'
import { symbols } from '../../environment/symbols.js'
import { postLimitMs } from '../scenario.js'
import type { Scenario } from '../scenario.js'

const MEBIBYTES = 8

export const queueDiskFull: Scenario = {
  number: 38,
  title:
    'the disk of Redis is full, so that it takes no writes: told, what is accepted stays pending, and is sent when it is free',
  backends: ['redis'],
  // Without this setting Redis refuses to change its folder.
  environment: { redisSettings: { 'enable-protected-configs': 'yes' } },
  async run({ servers, http, redis, simulator, causes, until, drained }) {
    if (redis === null) throw new Error('There is no Redis')
    const configure = (name: string, value: string) =>
      redis.ask((client) => client.config('SET', name, value))
    const disk = await mountSmallDisk(join(servers.folder, 'queue_disk'), MEBIBYTES, servers.folder)
    if (typeof disk === 'string') return { skipped: disk }
    try {
      // The file is synced every second, as by default: with `always` Redis ends itself when it cannot write.
      await configure('dir', disk.folder)
      await configure('appendonly', 'yes')
      causes.watch()
      await http.ingest(symbols(20, 'BEFORE'))
      await until('the first requests', () => simulator.arrivals().length >= 3)
      causes.began('queue')
      await disk.fill()
      const accepted = await http.ingest(symbols(20, 'MEANWHILE'))
      if (accepted.ms > postLimitMs()) throw new Error(`A POST took ${accepted.ms} ms`)
      await causes.judgeable()
      await disk.free()
      causes.ended()
      const freeAt = performance.now()
      await drained(120_000)
      const recoveryMs = Math.round(performance.now() - freeAt)
      await causes.judgeable()
      return { recoveryMs }
    } finally {
      await configure('appendonly', 'no')
      await configure('dir', redis.folder)
      await disk.remove()
    }
  },
}
