import { BACKENDS } from '../backends.js'
import type { Row } from '../row.js'
import { symbols } from '../symbols.js'
import { outlastStorage, UNSTORABLE_WORLD } from '../unstorable.js'

export const rowsLocked: Row = {
  number: 52,
  title:
    'somebody holds a lock on financial_data: what was fetched is kept, nothing more is asked for, whoever holds it is named',
  backends: BACKENDS,
  world: { ...UNSTORABLE_WORLD, allows503: true },
  async run(world) {
    const keeper = await world.sql.reserve()
    try {
      return await outlastStorage(world, symbols(20), {
        mark: 'locked',
        async begin() {
          await keeper`BEGIN`
          await keeper`LOCK TABLE financial_data IN ACCESS EXCLUSIVE MODE`
        },
        async end() {
          const [state] = await world.sql<
            { detail: string }[]
          >`SELECT storage_detail AS detail FROM provider_state`
          await keeper`COMMIT`
          if (!/process \d+ \(.*\) holds a lock/.test(state?.detail ?? ''))
            throw new Error(`Who holds the lock is not named: ${state?.detail}`)
        },
      })
    } finally {
      keeper.release()
    }
  },
}
