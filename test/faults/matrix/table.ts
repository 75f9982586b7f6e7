import type { Result } from './run-scenario.js'

const seconds = (ms: number | undefined) => (ms === undefined ? '-' : `${(ms / 1_000).toFixed(1)} s`)

export const HEADER = line(['#', 'fault', 'queue on', 'seed', 'survived', 'recovery', 'took'])

export function lineOf({
  scenario,
  backend,
  seed,
  recoveryMs,
  durationMs,
  failures,
  skipped,
  logs,
}: Result): string {
  const cells = [
    String(scenario.number),
    scenario.title,
    backend,
    String(seed),
    failures.length > 0 ? 'NO' : skipped === undefined ? 'yes' : 'skipped',
    seconds(recoveryMs),
    seconds(durationMs),
  ]
  const remarks = [
    ...new Set([...failures, ...(skipped === undefined ? [] : [skipped])]),
    ...(logs === undefined ? [] : [`logs: ${logs}`]),
  ]
  return [line(cells), ...remarks.map((remark) => `      ${remark.replaceAll('\n', '\n      ')}`)].join('\n')
}

function line([
  number = '',
  title = '',
  backend = '',
  seed = '',
  survived = '',
  recovery = '',
  took = '',
]: string[]) {
  return [
    number.padStart(3),
    title.padEnd(98),
    backend.padEnd(8),
    seed.padStart(4),
    survived.padStart(8),
    recovery.padStart(8),
    took.padStart(7),
  ].join('  ')
}
