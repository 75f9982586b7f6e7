// Fails when the schema has a change that no migration makes (it generates into a copy, and looks for new files), and when a
// migration that landed was changed.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { hashProblems } from './hashes.mjs'

for (const problem of hashProblems()) {
  console.error(problem)
  process.exitCode = 1
}

// drizzle-kit takes no absolute output folder: this one is relative, inside the package.
const copy = mkdtempSync('.drift-')
try {
  cpSync('migrations', copy, { recursive: true })
  const generated = spawnSync(
    'drizzle-kit',
    ['generate', '--dialect', 'postgresql', '--schema', './src/*/*schema.ts', '--out', copy],
    {
      encoding: 'utf8',
      shell: process.platform === 'win32',
    },
  )
  const news = readdirSync(copy).filter((name) => !readdirSync('migrations').includes(name))
  if (generated.status !== 0 || news.length > 0) {
    console.error(generated.stdout, generated.stderr)
    console.error(
      news.length > 0
        ? 'The schema has drifted from the migrations: run `pnpm --filter @stockpile/db generate` and commit what it writes.'
        : 'drizzle-kit could not compare the schema with the migrations.',
    )
    process.exitCode = 1
  }
} finally {
  rmSync(copy, { recursive: true, force: true })
}
