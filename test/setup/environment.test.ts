import { execFile } from 'node:child_process'
import { copyFile, chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { variablesOf } from '@stockpile/config/programs'
import { afterEach, beforeEach, expect, test } from 'vitest'

const PROJECT = fileURLToPath(new URL('../..', import.meta.url))
const TOOLS = ['npx', 'pnpm', 'turbo']

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stockpile-setup-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

/** Copies the files that setup.mjs reads, and makes tools that only write down their environment. */
async function prepare(): Promise<{ setup: string; bin: string }> {
  const bin = join(folder, 'bin')
  for (const name of ['scripts', 'apps', 'packages', 'bin']) await mkdir(join(folder, name))
  for (const file of ['scripts/setup.mjs', 'package.json', 'pnpm-workspace.yaml', 'pnpm-lock.yaml']) {
    await copyFile(join(PROJECT, file), join(folder, file))
  }
  for (const tool of TOOLS) {
    // setup.mjs asks npx for the PATH with pnpm.
    await writeFile(join(bin, tool), `#!/bin/sh\nenv >'${join(folder, tool)}'\necho '${bin}'\n`)
    await chmod(join(bin, tool), 0o755)
  }
  await writeFile(join(folder, '.npmrc'), '//registry.example/:_authToken=${COMPANY_TOKEN}\n')
  return { setup: join(folder, 'scripts', 'setup.mjs'), bin }
}

test.skipIf(process.platform === 'win32')(
  'npx, pnpm and turbo get no variable of Stockpile’s own and no secret but npm’s, and all that an installation needs',
  async () => {
    const { setup, bin } = await prepare()
    const needed = {
      HOME: folder,
      LANG: 'C.UTF-8',
      npm_config_registry: 'https://registry.example',
      HTTPS_PROXY: 'http://proxy.example',
      no_proxy: 'localhost',
      NODE_EXTRA_CA_CERTS: '',
      SSL_CERT_FILE: '/etc/ssl/certs.pem',
      COMPANY_TOKEN: 'of-npm',
    }
    const secret = Object.fromEntries(
      [
        ...variablesOf('npm start'),
        'POSTGRES_PASSWORD',
        'PGPASSWORD',
        'AWS_SECRET_ACCESS_KEY',
        'GITHUB_TOKEN',
        'NODE_ENV',
      ].map((name) => [name, 'CANARY']),
    )
    await promisify(execFile)(process.execPath, [setup], {
      env: { ...needed, ...secret, PATH: `${bin}:/usr/bin:/bin:${dirname(process.execPath)}` },
    })
    for (const tool of TOOLS) {
      const text = await readFile(join(folder, tool), 'utf8')
      expect([tool, text]).not.toEqual([tool, expect.stringContaining('CANARY')])
      for (const [name, value] of Object.entries(needed)) {
        expect([tool, text.split('\n')]).toEqual([tool, expect.arrayContaining([`${name}=${value}`])])
      }
    }
  },
)
