import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { startTemporaryServer } from '../temporary-server.js'
import { freshCatalog } from './fresh-catalog.js'

const FILE = fileURLToPath(new URL('../../packages/db/migrations/catalog.txt', import.meta.url))

/** `pnpm catalog` writes what a fresh database's catalog says, which `--check` of the migrate command expects; with --check it compares. */
const server = await startTemporaryServer({ fsync: 'off', synchronous_commit: 'off' })
try {
  const text = `${(await freshCatalog(await server.createDatabase('fresh', { empty: true }))).join('\n')}\n`
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
