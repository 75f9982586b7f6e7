import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { createClient as generate } from '@hey-api/openapi-ts'
import { expect, onTestFinished, test } from 'vitest'

const PACKAGE = fileURLToPath(new URL('..', import.meta.url))
const DOCUMENT = fileURLToPath(new URL('../../../apps/api/openapi.json', import.meta.url))
const COMPILER = join(PACKAGE, 'node_modules', 'typescript', 'bin', 'tsc')

/** Other people's programs read answers like this: without a cast, and without asking first which of two shapes came. */
const READS = `
  const close: string | undefined = bars.data[0]?.close_price
  const count: number | undefined = bars.pagination.count
  const next: string | null | undefined = bars.pagination.next_cursor
  const status: string = run.data.status
  const inserted: number = run.data.rows.inserted
  console.log(close, count, next, status, inserted)`

const PROGRAMS = {
  'openapi-typescript': `
    import createClient from 'openapi-fetch'
    import type { paths } from '../src/paths.js'
    const client = createClient<paths>({ baseUrl: 'http://127.0.0.1:8081' })
    const { data: bars, error } = await client.GET('/api/financial_data', { params: { query: { symbol: 'IBM' } } })
    const { data: run } = await client.POST('/api/ingest', { body: { symbols: ['IBM'] } })
    const { data: csv } = await client.GET('/api/financial_data.csv', { parseAs: 'text' })
    if (bars === undefined || run === undefined) throw new Error(error?.detail)
    const text: string | undefined = csv
    console.log(text)
    ${READS}`,
  'hey-api': `
    import { createRun, exportFinancialDataAsCsv, listFinancialData } from './generated/index.js'
    const { data: bars, error } = await listFinancialData({ query: { symbol: 'IBM' } })
    const { data: run } = await createRun({ body: { symbols: ['IBM'] } })
    const { data: csv } = await exportFinancialDataAsCsv({ parseAs: 'text' })
    if (bars === undefined || run === undefined) throw new Error(error?.detail)
    const text: string | undefined = csv
    console.log(text)
    ${READS}`,
}

test.each(Object.entries(PROGRAMS))(
  'a program on what %s makes of the document type-checks',
  async (name, program) => {
    // The folder is in the package, since the program uses the package's dependencies.
    const folder = await mkdtemp(join(PACKAGE, '.generated-'))
    onTestFinished(() => rm(folder, { recursive: true, force: true }))
    if (name === 'hey-api')
      await generate({
        input: DOCUMENT,
        output: { path: join(folder, 'generated'), importFileExtension: '.js' },
        plugins: ['@hey-api/client-fetch', '@hey-api/sdk', '@hey-api/typescript'],
        logs: { level: 'silent' },
      })
    await writeFile(join(folder, 'program.ts'), program)
    await writeFile(
      join(folder, 'tsconfig.json'),
      JSON.stringify({
        compilerOptions: {
          target: 'es2023',
          lib: ['es2023', 'dom', 'dom.iterable'],
          module: 'nodenext',
          moduleResolution: 'nodenext',
          strict: true,
          noUncheckedIndexedAccess: true,
          noEmit: true,
          skipLibCheck: true,
          types: [],
        },
        files: ['program.ts'],
      }),
    )
    const { stdout } = await promisify(execFile)(process.execPath, [COMPILER, '-p', folder]).catch(
      (error: { stdout: string }) => error,
    )
    expect(stdout).toBe('')
  },
)
