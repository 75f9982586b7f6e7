/** Which order a table's lines come in: what the table is, what it holds, what holds for that, and what keeps it so. */
const KINDS = ['table', 'column', 'constraint', 'index', 'sequence', 'trigger']

/**
 * The lines of a catalog (see `readCatalog`) as a text to be read from top to bottom: table after table, columns in the
 * order in which migrations made them, and what belongs to no table at the end.
 * @param of.columns `schema.table.column` of every column, in order
 * @param of.sources by table without its schema: the file that says what the table is for
 */
export function catalogText(
  lines: readonly string[],
  { columns, sources }: { columns: readonly string[]; sources: ReadonlyMap<string, string> },
): string {
  const place = new Map(columns.map((column, index) => [column, index]))
  const placeOf = (line: string) => place.get(/^column (\S+)/.exec(line)?.[1] ?? '') ?? -1
  const kindOf = (line: string) => KINDS.indexOf(line.slice(0, line.indexOf(' ')))
  const tables = new Set(lines.flatMap((line) => tableOf(line) ?? []))
  const parts = [...tables].toSorted().map((table) => {
    const source = sources.get(table.replace(/^public\./, ''))
    const ofTable = lines.filter((line) => tableOf(line) === table)
    const sorted = ofTable.toSorted(
      (one, other) => kindOf(one) - kindOf(other) || placeOf(one) - placeOf(other),
    )
    return [`-- ${table}${source === undefined ? '' : `, see ${source}`}`, ...sorted].join('\n')
  })
  const rest = lines.filter((line) => tableOf(line) === undefined)
  const head =
    '-- The schema of a fresh database, as `pnpm catalog` writes it: one line for each object, which `--check` compares.'
  return `${[head, ...parts, ['-- functions, see sql/', ...rest].join('\n')].join('\n\n')}\n`
}

/** The table that a line belongs to; undefined for a function, a type or a statistics object. */
function tableOf(line: string): string | undefined {
  const [kind = '', name = ''] = line.split(' ')
  if (kind === 'table') return name
  if (kind === 'column' || kind === 'constraint') return name.slice(0, name.lastIndexOf('.'))
  if (kind === 'sequence') return / of (\S+)\.\w+$/.exec(line)?.[1]
  return kind === 'index' || kind === 'trigger' ? / ON (\S+) /.exec(line)?.[1] : undefined
}
