import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Backend } from './row.js'

/** A guarantee's keeper taken out of the built programs, and the row that must notice. */
interface Control {
  removed: string
  /** In the build, from the repository's root. */
  file: string
  /** Exactly as it stands there, once. */
  text: string
  replacement: string
  row: number
  backend: Backend
  /** What the row must complain of: that it fails for another reason proves nothing. */
  complaint: RegExp
}

const CONTROLS: Control[] = [
  {
    removed: 'the dispatcher (outbox)',
    file: 'apps/worker/dist/dispatcher.js',
    text: 'export async function runDispatcher(dependencies, signal) {',
    replacement: 'export async function runDispatcher(dependencies, signal) { return;',
    row: 8,
    backend: 'redis',
    complaint: /in vain for the end of everything accepted/,
  },
  {
    removed: 'the fence',
    file: 'packages/db/dist/items.js',
    text: "AND claim = ${item.claim} AND state = 'running' RETURNING id",
    replacement: 'RETURNING id',
    row: 4,
    backend: 'redis',
    complaint: /in vain for the refusal|I2: IBM/,
  },
  {
    removed: 'the migration lock',
    file: 'packages/db/dist/migrate.js',
    text: 'await db.execute(sql `SELECT pg_advisory_lock(${MIGRATION_LOCK}::bigint)`);',
    replacement: '',
    row: 35,
    backend: 'postgres',
    complaint: /Exits: .*1/,
  },
  {
    removed: 'the redaction',
    file: 'packages/alphavantage/dist/redact.js',
    text: 'return (text) => text.replace(pattern, PLACEHOLDER);',
    replacement: 'return (text) => text;',
    row: 28,
    backend: 'redis',
    complaint: /I5: the key is in/,
  },
]

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
/** What the suite and the programs consist of. */
const COPIED = ['apps', 'packages', 'test', 'package.json', 'tsconfig.json', 'tsconfig.base.json']
const ROW_TIMEOUT_MS = 400_000

/**
 * Shows that the suite would notice: runs a copy of the repository from which one thing was cut, and expects the row
 * to fail. Nothing in the programs knows of this. Prints a table.
 * @returns whether all went red
 */
export async function runControls(): Promise<boolean> {
  let red = 0
  for (const control of CONTROLS) {
    const unproven = (error: unknown): Verdict => ({ color: 'UNPROVEN', why: String(error) })
    const { color, why } = await judge(control).catch(unproven)
    if (color === 'red') red += 1
    console.log(
      `${color.padEnd(8)}  without ${control.removed.padEnd(24)}  row ${String(control.row).padStart(2)}  ${why}`,
    )
  }
  console.log(`${red} of ${CONTROLS.length} went red`)
  return red === CONTROLS.length
}

/** Green: the row survived without it. Unproven: it was not removed, or the row fell over something else. */
interface Verdict {
  color: 'red' | 'GREEN' | 'UNPROVEN'
  why: string
}

async function judge(control: Control): Promise<Verdict> {
  const copy = await mkdtemp(join(tmpdir(), 'stockpile-control-'))
  try {
    for (const name of COPIED)
      await cp(join(ROOT, name), join(copy, name), { recursive: true, verbatimSymlinks: true })
    // Links between packages are relative, and so lead to the copy; those to dependencies lead here.
    await symlink(join(ROOT, 'node_modules'), join(copy, 'node_modules'))
    await cutOut(control, join(copy, control.file))
    const { code, output } = await runRow(copy, control)
    const complaint = output.split('\n').find((line) => control.complaint.test(line))
    if (code === 0) return { color: 'GREEN', why: 'the row survived' }
    if (complaint === undefined)
      return { color: 'UNPROVEN', why: `the row failed for another reason:\n${output}` }
    return { color: 'red', why: complaint.trim().slice(0, 120) }
  } finally {
    await rm(copy, { recursive: true, force: true })
  }
}

async function cutOut({ removed, text, replacement }: Control, file: string): Promise<void> {
  const built = await readFile(file, 'utf8')
  const found = built.split(text).length - 1
  if (found !== 1)
    throw new Error(
      `${file} has ${found} places to cut ${removed} out, not 1: adapt the control to the build`,
    )
  await writeFile(
    file,
    built.replace(text, () => replacement),
  )
}

async function runRow(root: string, { row, backend }: Control): Promise<{ code: unknown; output: string }> {
  const args = ['test/faults/main.ts', '--row', String(row), '--backend', backend]
  const child = spawn(process.execPath, ['--conditions=source', '--import', 'tsx', ...args], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: ROW_TIMEOUT_MS,
  })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const ended: unknown[] = await once(child, 'close')
  return { code: ended[0], output }
}
