import { parseArgs } from 'node:util'
import { BACKENDS } from '../environment/backends.js'
import type { Backend } from '../environment/backends.js'
import { SCENARIOS } from '../scenarios/index.js'
import type { Scenario } from '../scenarios/scenario.js'

const USAGE = `usage: pnpm faults [--scenario 1,4,7] [--seed 1] [--seeds 1] [--backend redis|postgres|both] [--quick] [--jobs 2] [--keep]
       pnpm faults --controls
Injects faults into real processes, checks the invariants after each, prints a table, and exits with 1 unless all were survived.
A scenario that this machine cannot inject is skipped, and under CI=true failed.
  --scenario only these scenarios of the matrix (--row is the same)
  --seed     the first seed: it chooses moments, symbols and victims (default 1)
  --seeds    how many seeds, from that one on (default 1)
  --backend  where the queue lives (default both, for the scenarios that touch it)
  --quick    only the scenarios that take seconds
  --keep     keep the logs of scenarios that were survived too
  --jobs     scenarios at a time, each in an environment of its own (default 2)
  --controls remove the dispatcher, the fence, the migration lock, every fifth request and the redaction from copies of
             the programs, one at a time, and exit with 1 unless the suite notices each`

/** Which scenarios are run, and how. */
export interface Plan {
  runs: { scenario: Scenario; backend: Backend; seed: number }[]
  jobs: number
  keep: boolean
}

/** Reads the arguments of `pnpm faults`. Returns what to print, with an exit code, for --help and for wrong arguments. */
export function parsePlan(args: string[]): Plan | { controls: true } | { usage: string; exitCode: number } {
  try {
    const { values } = parseArgs({
      args,
      options: {
        scenario: { type: 'string' },
        row: { type: 'string' },
        seed: { type: 'string', default: '1' },
        seeds: { type: 'string', default: '1' },
        backend: { type: 'string', default: 'both' },
        quick: { type: 'boolean', default: false },
        jobs: { type: 'string', default: '2' },
        keep: { type: 'boolean', default: false },
        controls: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    })
    if (values.help) return { usage: USAGE, exitCode: 0 }
    if (values.controls) return { controls: true }
    const wanted = (values.scenario ?? values.row)?.split(',').map((text) => wholeNumber('scenario', text))
    const unknown = wanted?.filter((number) => SCENARIOS.every((one) => one.number !== number)) ?? []
    if (unknown.length > 0) throw new Error(`There is no scenario ${unknown.join(', ')}`)
    const backends = BACKENDS.filter((one) => values.backend === 'both' || values.backend === one)
    if (backends.length === 0) throw new Error('--backend takes redis, postgres or both')
    const first = wholeNumber('seed', values.seed)
    const seeds = Array.from({ length: wholeNumber('seeds', values.seeds) }, (_, index) => first + index)
    const runs = SCENARIOS.filter(
      (scenario) => wanted?.includes(scenario.number) ?? (!values.quick || scenario.quick === true),
    ).flatMap((scenario) =>
      backends
        .filter((backend) => scenario.backends.includes(backend))
        .flatMap((backend) => seeds.map((seed) => ({ scenario, backend, seed }))),
    )
    return { runs, jobs: wholeNumber('jobs', values.jobs), keep: values.keep }
  } catch (error) {
    return { usage: `${error instanceof Error ? error.message : String(error)}\n${USAGE}`, exitCode: 2 }
  }
}

function wholeNumber(name: string, text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new Error(`--${name} takes whole numbers`)
  return Number(text)
}
