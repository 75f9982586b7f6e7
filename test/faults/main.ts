import { startServers } from './environment/servers.js'
import { runControls } from './matrix/controls.js'
import { parsePlan } from './matrix/plan.js'
import { runScenario } from './matrix/run-scenario.js'
import type { Result } from './matrix/run-scenario.js'
import { HEADER, lineOf } from './matrix/table.js'

// `pnpm faults` injects each fault of the matrix into real processes and says whether the system survived it.
const plan = parsePlan(process.argv.slice(2))
if ('usage' in plan) {
  console.error(plan.usage)
  process.exitCode = plan.exitCode
} else if ('controls' in plan) {
  process.exitCode = (await runControls()) ? 0 : 1
} else {
  const servers = await startServers()
  const results: Result[] = []
  const interrupted = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort())
  try {
    const left = [...plan.runs]
    const work = async () => {
      for (let next = left.shift(); next !== undefined && !interrupted.signal.aborted; next = left.shift()) {
        const result = await runScenario(servers, next.scenario, {
          ...next,
          keep: plan.keep,
          failSkipped: process.env['CI'] === 'true',
        })
        results.push(result)
        console.log(lineOf(result))
      }
    }
    console.log(HEADER)
    await Promise.all(Array.from({ length: plan.jobs }, work))
  } finally {
    await servers.close()
  }
  const died = results.filter((result) => result.failures.length > 0).length
  const skipped = results.filter(
    (result) => result.failures.length === 0 && result.skipped !== undefined,
  ).length
  const unshown = skipped === 0 ? '' : `, ${skipped} skipped`
  console.log(`${results.length - died - skipped} survived, ${died} did not${unshown}`)
  process.exitCode = died === 0 && results.length === plan.runs.length ? 0 : 1
}
