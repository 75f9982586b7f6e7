import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { busyness } from '@stockpile/test-harness/patience'
import type { Backend } from '../environment/backends.js'

/** What is cut out of a copy of the built programs, and the scenario that must notice the loss. */
interface Control {
  removed: string
  cuts: Cut[]
  scenario: number
  backend: Backend
  /** Complaints that the scenario must make, all of them: a failure for another reason proves nothing. */
  complaints: RegExp[]
}

interface Cut {
  /** The path of a built file, from the repository's root. */
  file: string
  /** What is cut out: text that stands in the file exactly once. */
  text: string
  replacement: string
}

const NO_REDACTION: Cut = {
  file: 'packages/alphavantage/dist/text/redact.js',
  text: 'return (text) => patterns.reduce((rest, pattern) => rest.replace(pattern, PLACEHOLDER), text);',
  replacement: 'return (text) => text;',
}
const EVIDENCE_EVERYWHERE: Cut = {
  file: 'apps/worker/dist/item/failures.js',
  // The first line keeps the cut away from failures that are not the provider's, which have no evidence.
  text: 'class: error.class,\n        detail: error.message,',
  replacement: 'class: error.class, detail: error.message + error.evidence,',
}

const CONTROLS: Control[] = [
  {
    removed: 'the dispatcher (outbox)',
    cuts: [
      {
        file: 'apps/worker/dist/background/dispatcher.js',
        text: 'export async function runDispatcher(dependencies, signal) {',
        replacement: 'export async function runDispatcher(dependencies, signal) { return;',
      },
    ],
    scenario: 8,
    backend: 'redis',
    complaints: [/in vain for the end of everything accepted/],
  },
  {
    removed: 'the fence',
    cuts: [
      {
        file: 'packages/db/dist/runs/claim.js',
        text: "AND claim = ${item.claim} AND state = 'running' RETURNING id",
        replacement: 'RETURNING id',
      },
    ],
    scenario: 4,
    backend: 'redis',
    complaints: [/in vain for the refusal|I2: IBM/],
  },
  {
    removed: 'the migration lock',
    cuts: [
      {
        file: 'packages/db/dist/migrate/migrate.js',
        text: 'await db.execute(sql `SELECT pg_advisory_lock(${MIGRATION_LOCK}::bigint)`);',
        replacement: '',
      },
    ],
    scenario: 35,
    backend: 'postgres',
    complaints: [/Exits: .*1/],
  },
  {
    removed: 'every fifth request',
    cuts: [
      {
        file: 'apps/worker/dist/item/process-item.js',
        text: 'if (item.needless !== null)',
        replacement:
          "if (item.id % 5 === 0) return await settle(dependencies, attempt, 'up_to_date');\n            if (item.needless !== null)",
      },
    ],
    scenario: 7,
    backend: 'redis',
    complaints: [/I2: item \d+ \(\w+\) ended as up_to_date, and no other item had fetched it/],
  },
  {
    removed: 'the redaction',
    cuts: [NO_REDACTION],
    scenario: 28,
    backend: 'redis',
    complaints: [
      /I5: the key is in the table public\.ingest_failures/,
      /I5: the key is in the answer to \/api\/failures/,
    ],
  },
  {
    // Log and job stay clean even without redaction, since the provider's words do not go there: that is cut too.
    removed: 'it, evidence in log and job',
    cuts: [NO_REDACTION, EVIDENCE_EVERYWHERE],
    scenario: 28,
    backend: 'redis',
    complaints: [
      /I5: the key is in the log/,
      /I5: the key is in Redis/,
      /I5: the key is in the answer to \/queues\/api/,
    ],
  },
]

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
/** The files and folders of which suite and programs consist. */
const COPIED = ['apps', 'packages', 'test', 'package.json', 'tsconfig.json', 'tsconfig.base.json']
/** Longer than a scenario waits in vain for its longest deadline on an idle machine. */
const SCENARIO_TIMEOUT_MS = 400_000

/**
 * Shows that the suite notices the loss of a guarantee: cuts one thing at a time out of a copy of the repository, runs a
 * scenario there, expects it to fail, and prints a table. The programs have no code for this.
 * @returns whether every scenario failed as expected
 */
export async function runControls(): Promise<boolean> {
  let red = 0
  for (const control of CONTROLS) {
    const unproven = (error: unknown): Verdict => ({ color: 'UNPROVEN', why: String(error) })
    const { color, why } = await judge(control).catch(unproven)
    if (color === 'red') red += 1
    console.log(
      `${color.padEnd(8)}  without ${control.removed.padEnd(24)}  scenario ${String(control.scenario).padStart(2)}  ${why}`,
    )
  }
  console.log(`${red} of ${CONTROLS.length} went red`)
  return red === CONTROLS.length
}

/** Red is the proof. Green: the scenario survived the loss. Unproven: nothing was cut out, or the scenario failed for another reason. */
interface Verdict {
  color: 'red' | 'GREEN' | 'UNPROVEN'
  why: string
}

async function judge(control: Control): Promise<Verdict> {
  const copy = await mkdtemp(join(tmpdir(), 'stockpile-control-'))
  try {
    for (const name of COPIED)
      await cp(join(ROOT, name), join(copy, name), { recursive: true, verbatimSymlinks: true })
    // Links between packages are relative and lead into the copy; links to dependencies lead to this repository.
    await symlink(join(ROOT, 'node_modules'), join(copy, 'node_modules'))
    for (const cut of control.cuts) await cutOut(cut, join(copy, cut.file))
    const { code, output } = await runScenario(copy, control)
    if (code === 0) return { color: 'GREEN', why: 'the scenario survived' }
    const missing = control.complaints.filter((complaint) => !complaint.test(output))
    if (missing.length > 0)
      return { color: 'UNPROVEN', why: `the scenario said nothing like ${missing.join(' and ')}:\n${output}` }
    const found = output.split('\n').filter((line) => control.complaints.some((one) => one.test(line)))
    return { color: 'red', why: found.map((line) => line.trim().slice(0, 120)).join('; ') }
  } finally {
    await rm(copy, { recursive: true, force: true })
  }
}

async function cutOut({ text, replacement }: Cut, file: string): Promise<void> {
  const built = await readFile(file, 'utf8')
  const found = built.split(text).length - 1
  if (found !== 1)
    throw new Error(`${file} has ${found} places like "${text}", not 1: adapt the control to the build`)
  await writeFile(
    file,
    built.replace(text, () => replacement),
  )
}

async function runScenario(
  root: string,
  { scenario, backend }: Control,
): Promise<{ code: unknown; output: string }> {
  const args = ['test/faults/main.ts', '--scenario', String(scenario), '--backend', backend]
  const child = spawn(process.execPath, ['--conditions=source', '--import', 'tsx', ...args], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: SCENARIO_TIMEOUT_MS * busyness(),
  })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const ended: unknown[] = await once(child, 'close')
  return { code: ended[0], output }
}
