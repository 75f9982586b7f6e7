/** Figures of a shared machine, measured several times. */
interface Summary {
  median: number
  /** The largest figure less the smallest, as a part of the median. */
  spread: number
}

/** Returns the median of figures and how far they lie apart; NaN for no figures. */
export function summarize(values: readonly number[]): Summary {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? NaN
  const median = sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2
  return { median, spread: ((sorted.at(-1) ?? NaN) - (sorted[0] ?? NaN)) / median }
}

/** Writes a median with half of its spread to either side: `0.94 (±12 %)`. */
export function withSpread({ median, spread }: Summary, decimals = 2): string {
  return `${median.toFixed(decimals)} (±${((spread * 100) / 2).toFixed(0)} %)`
}

/** Lays rows out in columns for a terminal: the first column to the left, the others to the right. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows
    .map((row) =>
      row
        .map((cell, column) =>
          column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
        )
        .join('  '),
    )
    .join('\n')
}

/** Lays rows out as a table of Markdown, to be pasted after its marker (such as `<!-- bench:api -->`) in docs/benchmarks.md. */
export function markdownTable([head = [], ...rows]: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n')
}
