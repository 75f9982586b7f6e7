import { startTemporaryPostgres } from '../servers/temporary-postgres.js'
import { compareRecordings } from './compare.js'

// `pnpm recordings FOLDER` proves on recorded answers that the API serves what the provider wrote.
const folder = process.argv[2]
if (folder === undefined || folder.startsWith('-')) {
  console.error(
    'usage: pnpm recordings FOLDER\nFOLDER holds recorded answers named daily_compact_SYMBOL_*.json or .csv',
  )
  process.exitCode = 2
} else {
  const server = await startTemporaryPostgres()
  try {
    const comparisons = await compareRecordings(folder, await server.createDatabase('recordings'))
    for (const one of comparisons) {
      console.log(
        `${one.symbol}: ${one.rows} rows compared, ${one.differences.length} differ; fetched again: ${one.unchanged} unchanged, ${one.rewritten} rewritten (${one.file})`,
      )
      for (const difference of one.differences.slice(0, 10)) console.log(`  ${difference}`)
    }
    const rows = comparisons.reduce((sum, one) => sum + one.rows, 0)
    const differ = comparisons.reduce((sum, one) => sum + one.differences.length, 0)
    console.log(`${rows} rows compared, ${differ} differ`)
    const sound =
      differ === 0 && comparisons.every((one) => one.unchanged === one.rows && one.rewritten === 0)
    process.exitCode = sound ? 0 : 1
  } finally {
    await server.stop()
  }
}
