import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { startTemporaryPostgres } from '../servers/temporary-postgres.js'
import { freshCatalog } from './fresh-catalog.js'
import { schemaStates, ShallowCloneError } from './history.js'
import type { SchemaState } from './history.js'
import { NoSuchDatabaseError, upgrade } from './upgrade.js'
import type { Upgrade } from './upgrade.js'

const HELP = `usage: pnpm upgrades [--pairs]

Makes a database with the migrations of every commit that changed them, fills it, lets today's migrate have it, and compares
it with a fresh one: the catalog, what is counted from the rows, and the rows. Then the same for databases that a later build
migrated and wrote to before. Needs the whole history in git. Exits with 1 when a database does not come out the same.
  --pairs   by way of every later state, not the last ones alone
`

const { values } = parseArgs({ options: { pairs: { type: 'boolean' }, help: { type: 'boolean' } } })
if (values.help === true) console.log(HELP)
else {
  try {
    process.exitCode = (await run(values.pairs === true)) ? 0 : 1
  } catch (error) {
    if (!(error instanceof ShallowCloneError)) throw error
    console.error(error.message)
    process.exitCode = 2
  }
}

async function run(pairs: boolean): Promise<boolean> {
  const states = schemaStates(fileURLToPath(new URL('../..', import.meta.url)))
  const server = await startTemporaryPostgres({
    fsync: 'off',
    synchronous_commit: 'off',
    full_page_writes: 'off',
  })
  try {
    const { lines: catalog } = await freshCatalog(await server.createDatabase('fresh', { empty: true }))
    console.log(
      'commit   date        via      stored  counted before  counted now  corrected      ms  repaired',
    )
    let failed = 0
    let made = 0
    for (const [state, via] of waysThrough(states, pairs)) {
      try {
        const result = await upgrade(await server.createDatabase('old', { empty: true }), catalog, state, via)
        made++
        if (result.problems.length > 0) failed++
        console.log(lineOf(state, via, result))
      } catch (error) {
        if (!(error instanceof NoSuchDatabaseError)) throw error
        console.log(`${nameOf(state)}  ${via?.commit}   none: ${error.message}, so there is no such database`)
      }
    }
    console.log(
      `${made} databases of ${states.length} states: ${failed === 0 ? 'all come out as a fresh one' : `${failed} do not`}`,
    )
    return failed === 0
  } finally {
    await server.stop()
  }
}

/** Each state by itself, and by way of the last two builds that ignored rewritten migrations, or with `pairs` of every such later build. */
function waysThrough(states: SchemaState[], pairs: boolean): [SchemaState, SchemaState | null][] {
  const last = [
    states.findLastIndex(({ functions }) => functions === null),
    states.findLastIndex(({ comparesHashes }) => !comparesHashes),
  ]
  return states.flatMap((state, index) => {
    const later = states.filter(
      (via, turn) => turn > index && (last.includes(turn) || (pairs && !via.comparesHashes)),
    )
    return [null, ...later].map((via): [SchemaState, SchemaState | null] => [state, via])
  })
}

function nameOf({ commit, date }: SchemaState): string {
  return `${commit.padEnd(8)} ${date}`
}

function lineOf(state: SchemaState, via: SchemaState | null, result: Upgrade): string {
  const { stored, countedBefore, counted, corrected, ms, repaired, problems } = result
  const columns = [
    nameOf(state),
    (via?.commit ?? '-').padEnd(8),
    String(stored).padStart(6),
    String(countedBefore ?? '-').padStart(14),
    String(counted).padStart(12),
    String(corrected).padStart(10),
    ms.toFixed(0).padStart(7),
    repaired.length === 0 ? 'nothing' : repaired.join(', '),
  ]
  return [columns.join('  '), ...problems.map((problem) => `         DIFFERS: ${problem}`)].join('\n')
}
