// Writes the table of refusals into docs/failures.md. With --check it writes nothing, and fails when the document's table is
// another.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { refusalRows } from '../dist/refusals/refusal-rows.js'

const FILE = fileURLToPath(new URL('../../../docs/failures.md', import.meta.url))
const MARKER = '<!-- refusals -->'
/** Whom a refusal concerns, for a reader. */
const SCOPES = {
  item: 'this item',
  access: 'requests of this kind with this key',
  key: 'this key',
  everything: 'all requests with this key',
  provider: 'everybody, when three symbols in a row are not answered',
}
const REMEMBERED = { symbol: 'of the symbol', outputsize: 'for as much history' }

function table() {
  const rows = refusalRows().map(
    (row) =>
      `| \`${row.class}\` | ${row.meaning} | ${row.action} | ${SCOPES[row.scope]} | ${row.advice} | ${row.remembered === null ? '' : REMEMBERED[row.remembered]} |`,
  )
  return [
    '| class | means | the worker | concerns | a person | known for a day |',
    '|---|---|---|---|---|---|',
    ...rows,
  ].join('\n')
}

const present = readFileSync(FILE, 'utf8')
const [before, after] = present.split(`${MARKER}\n`)
if (after === undefined) throw new Error(`docs/failures.md has no ${MARKER}`)
const wanted = `${before}${MARKER}\n${table()}\n${after.replace(/^(?:\|.*\n)*/, '')}`
if (wanted !== present) {
  if (process.argv.includes('--check')) {
    console.error('docs/failures.md does not have the table of refusals: pnpm refusals writes it')
    process.exitCode = 1
  } else writeFileSync(FILE, wanted)
}
