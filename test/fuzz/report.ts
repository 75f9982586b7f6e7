import type { FuzzFailure, FuzzReport } from './fuzz.js'

/** Says for people how many requests were sent, which statuses they got, and how to repeat each failure. */
export function reportText(
  { requests, seconds, statuses, failures, differing }: FuzzReport,
  seed: number,
): string {
  const lines = Object.entries(statuses).map(([kind, counts]) => {
    const sorted = [...counts]
      .toSorted(([a], [b]) => a - b)
      .map(([status, count]) => `${status || 'none'}: ${count}`)
    return `  ${kind.padEnd(12)}  ${sorted.join(', ')}`
  })
  const rate = Math.round(requests / seconds)
  return [
    `${requests} requests, seed ${seed}, in ${seconds.toFixed(1)} s (${rate} a second). Answers by status:`,
    ...lines,
    ...failures.map((failure) => failureText(failure, seed)),
    `${differing} of ${requests} answers differ from the document`,
  ].join('\n')
}

function failureText({ request, differences, path }: FuzzFailure, seed: number): string {
  const { kind, what, method, target, headers, body } = request
  const shown = JSON.stringify({ method, target, headers, body })
  return [
    `✗ ${kind}${what === '' ? '' : `, ${what}`}: the answer ${differences.join('; ')}`,
    `  ${shown.length > 500 ? `${shown.slice(0, 500)}…` : shown}`,
    `  again: pnpm fuzz --seed ${seed} --path ${path}`,
  ].join('\n')
}
