import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { startTemporaryPostgres } from '../servers/temporary-postgres.js'
import { catalogText } from './catalog-text.js'
import { freshCatalog } from './fresh-catalog.js'

const PACKAGE = fileURLToPath(new URL('../../packages/db', import.meta.url))
const FILE = `${PACKAGE}/migrations/catalog.txt`

// `pnpm catalog` writes the catalog of a fresh database, which `--check` of the migrate command expects; with --check this
// compares instead.
const server = await startTemporaryPostgres({ fsync: 'off', synchronous_commit: 'off' })
try {
  const { lines, columns } = await freshCatalog(await server.createDatabase('fresh', { empty: true }))
  const text = catalogText(lines, { columns, sources: schemaFiles() })
  if (!process.argv.includes('--check')) writeFileSync(FILE, text)
  else if (readFileSync(FILE, 'utf8').replaceAll('\r\n', '\n') !== text) {
    console.error(
      'packages/db/migrations/catalog.txt is not what the migrations make: run `pnpm catalog` and commit what it writes.',
    )
    process.exitCode = 1
  }
} finally {
  await server.stop()
}

/** By table: the file that defines it and says what it is for. */
function schemaFiles(): Map<string, string> {
  const files = readdirSync(`${PACKAGE}/src`, { recursive: true, encoding: 'utf8' })
  const sources = new Map<string, string>()
  for (const file of files.filter((name) => name.endsWith('schema.ts'))) {
    const text = readFileSync(`${PACKAGE}/src/${file}`, 'utf8')
    for (const [, table = ''] of text.matchAll(/pgTable\(\s*'(\w+)'/g))
      sources.set(table, `src/${file.replaceAll('\\', '/')}`)
  }
  return sources
}
