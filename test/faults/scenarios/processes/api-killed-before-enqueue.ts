import { BACKENDS } from '../../environment/backends.js'
import { RECOVERY_LIMIT_MS } from '../scenario.js'
import type { Scenario } from '../scenario.js'

export const apiKilledBeforeEnqueue: Scenario = {
  number: 6,
  title: 'the API is killed between the commit and the enqueueing: the dispatcher does it, same run',
  backends: BACKENDS,
  quick: true,
  environment: { proxies: ['redis'] },
  async run({ http, sql, programs, queue, until, drained }) {
    const { api } = programs
    if (api === undefined) throw new Error('There is no API')
    await queue.freeze()
    // The answer to this POST dies with the API.
    const asked = http.ingest(['IBM', 'AAPL', 'MSFT']).catch(() => {})
    const runs = () => sql<{ id: string }[]>`SELECT id FROM ingest_runs`
    await until('the commit', async () => (await runs()).length === 1, 10_000)
    const [committed] = await runs()
    await programs.kill(api)
    const killedAt = performance.now()
    await queue.thaw({ forget: true })
    await asked
    await programs.startApi()
    await drained()
    const recoveryMs = Math.round(performance.now() - killedAt)
    const after = await runs()
    const succeeded = await sql`SELECT FROM ingest_items WHERE state = 'succeeded'`
    if (after.length !== 1 || after[0]?.id !== committed?.id || succeeded.length !== 3)
      throw new Error(`${after.length} runs, ${succeeded.length} items succeeded`)
    return { recoveryMs, recoveryLimitMs: RECOVERY_LIMIT_MS }
  },
}
