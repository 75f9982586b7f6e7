import { BACKENDS } from '../../environment/backends.js'
import { symbols } from '../../environment/symbols.js'
import { outlastStorage, UNSTORABLE_ENVIRONMENT } from '../../steps/outlast-storage.js'
import type { Scenario } from '../scenario.js'

export const rowsLocked: Scenario = {
  number: 52,
  title:
    'somebody holds a lock on financial_data: what was fetched is kept, nothing more is asked for, whoever holds it is named',
  backends: BACKENDS,
  environment: { ...UNSTORABLE_ENVIRONMENT, allows503: true },
  async run(environment) {
    const keeper = await environment.sql.reserve()
    try {
      return await outlastStorage(environment, symbols(20), {
        mark: 'locked',
        async begin() {
          await keeper`BEGIN`
          await keeper`LOCK TABLE financial_data IN ACCESS EXCLUSIVE MODE`
        },
        async end() {
          const [state] = await environment.sql<
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
