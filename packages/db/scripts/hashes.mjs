// Compares each migration with its hash in migrations/hashes.json, and that file with its own history: a migration that has
// landed never changes, since databases were made with it. With --write it notes the hashes of new migrations.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'

const FILE = 'migrations/hashes.json'

/** @returns {Record<string, string>} by the migration's name without .sql */
function hashesOfFiles() {
  const files = readdirSync('migrations').filter((name) => name.endsWith('.sql'))
  return Object.fromEntries(
    files.toSorted().map((name) => {
      // Git may have checked the file out with CRLF.
      const text = readFileSync(`migrations/${name}`, 'utf8').replaceAll('\r\n', '\n')
      return [name.replace(/\.sql$/, ''), createHash('sha256').update(text).digest('hex')]
    }),
  )
}

/** The hashes that each commit up to HEAD noted, newest first; none where there is no git. */
function landedHashes() {
  const log = git('log', '--format=%h', '--', FILE)
  const commits = log.status === 0 ? log.stdout.trim().split('\n').filter(Boolean) : []
  return commits.map((commit) => ({
    commit,
    hashes: JSON.parse(git('show', `${commit}:./${FILE}`).stdout || '{}'),
  }))
}

const git = (...args) => spawnSync('git', args, { encoding: 'utf8' })

/** @returns a sentence for each migration that is not as it landed */
export function hashProblems() {
  const actual = hashesOfFiles()
  const noted = existsSync(FILE) ? JSON.parse(readFileSync(FILE, 'utf8')) : {}
  const problems = []
  for (const tag of new Set([...Object.keys(noted), ...Object.keys(actual)])) {
    if (noted[tag] === undefined)
      problems.push(
        `${tag}.sql has no hash in ${FILE}: run \`pnpm --filter @stockpile/db hashes\` and commit it with the migration.`,
      )
    else if (actual[tag] === undefined) problems.push(`${tag}.sql has landed and is gone: bring it back.`)
    else if (actual[tag] !== noted[tag])
      problems.push(
        `${tag}.sql is not what ${FILE} says: databases were made with it, so put the change into a new migration. One that is not committed yet: run \`pnpm --filter @stockpile/db hashes\`.`,
      )
  }
  for (const { commit, hashes } of landedHashes())
    for (const [tag, hash] of Object.entries(hashes))
      if (noted[tag] !== hash)
        problems.push(
          `${FILE} had another hash for ${tag} in ${commit}: a hash that was committed never changes. Before it lands, squash the commits that wrote the migration.`,
        )
  return problems
}

if (process.argv.includes('--write')) {
  const committed = git('show', `HEAD:./${FILE}`)
  const landed = committed.status === 0 ? JSON.parse(committed.stdout) : {}
  writeFileSync(FILE, `${JSON.stringify({ ...hashesOfFiles(), ...landed }, null, 2)}\n`)
}
