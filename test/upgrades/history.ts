import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'

/** The migrations and functions as one or more commits had them. */
export interface SchemaState {
  /** The first commit with this state; so many `others` have it too. */
  commit: string
  date: string
  subject: string
  others: number
  migrations: { tag: string; when: number; text: string; hash: string }[]
  /** The text of functions and triggers; null before they had files of their own. */
  functions: string | null
  /** Whether the state's `migrate` compares hashes, and so repairs a database of an earlier text as today's does. */
  comparesHashes: boolean
}

export class ShallowCloneError extends Error {
  override readonly name = 'ShallowCloneError'
}

/** Reads every state that a commit up to HEAD had, also on merged branches, oldest first. @throws ShallowCloneError */
export function schemaStates(repository: string): SchemaState[] {
  const git = (...args: string[]) =>
    execFileSync('git', args, { cwd: repository, encoding: 'utf8', maxBuffer: 64 * 2 ** 20 })
  if (git('rev-parse', '--is-shallow-repository').trim() === 'true') {
    throw new ShallowCloneError(
      'The clone is shallow, and the old migrations are in its history: run `git fetch --unshallow` first.',
    )
  }
  const states = new Map<string, SchemaState>()
  for (const line of git('log', '--reverse', '--topo-order', '--format=%h %cs %s').trim().split('\n')) {
    const [commit = '', date = '', ...subject] = line.split(' ')
    const files = git('ls-tree', '-r', commit, 'packages/db/migrations', 'packages/db/sql')
      .split('\n')
      .filter((file) => /\.sql$|_journal\.json$|hashes\.json$/.test(file))
    if (files.length === 0) continue
    const key = files.join('\n')
    const known = states.get(key)
    if (known !== undefined) known.others++
    else
      states.set(key, {
        commit,
        date,
        subject: subject.join(' '),
        others: 0,
        ...readState(git, commit, files),
      })
  }
  return [...states.values()]
}

function readState(git: (...args: string[]) => string, commit: string, files: string[]) {
  const show = (path: string) => git('show', `${commit}:${path}`)
  const journal = show('packages/db/migrations/meta/_journal.json')
  const migrations = [...journal.matchAll(/"when": (\d+),\s+"tag": "(\w+)"/g)].map(([, when, tag = '']) => {
    const text = show(`packages/db/migrations/${tag}.sql`)
    return { tag, when: Number(when), text, hash: createHash('sha256').update(text).digest('hex') }
  })
  const functions = files.flatMap((file) => file.match(/packages\/db\/sql\/\S+$/)?.[0] ?? []).toSorted()
  return {
    migrations,
    functions: functions.length === 0 ? null : functions.map(show).join('\n'),
    comparesHashes: files.some((file) => file.endsWith('hashes.json')),
  }
}
