import type { Redis } from 'ioredis'
import type postgres from 'postgres'
import { z } from 'zod'
import type { World } from './world.js'

/** I5: where the API key is to be seen. HTTP answers are looked through as they come, these here to the last route. */
export async function keySightings(world: World): Promise<string[]> {
  const { programs, postgres: server, redis, secrets } = world
  const isTold = (text: string) => secrets.some((secret) => text.includes(secret))
  const found: string[] = []
  if (programs.outputs().some(isTold)) found.push('I5: the key is in the log of a program')
  if (isTold(await server.log())) found.push("I5: the key is in PostgreSQL's log")
  for (const [table, text] of await tables(world.sql)) {
    if (isTold(text)) found.push(`I5: the key is in the table ${table}`)
  }
  const keys = redis === null ? '' : await redis.ask(contentOf)
  if (isTold(keys)) found.push('I5: the key is in Redis')
  await askAllRoutes(world)
  return found
}

async function tables(sql: postgres.Sql): Promise<Map<string, string>> {
  const names = await sql<{ name: string }[]>`
    SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables
     WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`
  const texts = new Map<string, string>()
  for (const { name } of names) {
    const [content] = await sql<{ text: string | null }[]>`
      SELECT string_agg(stored::text, chr(10)) AS text FROM ${sql.unsafe(name)} AS stored`
    texts.set(name, content?.text ?? '')
  }
  return texts
}

/** By type, since DUMP compresses what it gives. */
async function contentOf(redis: Redis): Promise<string> {
  const read: Record<string, (key: string) => Promise<unknown>> = {
    string: (key) => redis.get(key),
    hash: (key) => redis.hgetall(key),
    list: (key) => redis.lrange(key, 0, -1),
    set: (key) => redis.smembers(key),
    zset: (key) => redis.call('ZRANGE', key, '0', '-1'),
    stream: (key) => redis.xrange(key, '-', '+'),
  }
  const all: unknown[] = []
  for (const key of await redis.keys('*')) {
    const type = await redis.type(key)
    all.push(key, await read[type]?.(key))
  }
  return JSON.stringify(all)
}

const openapi = z.object({
  paths: z.record(
    z.string(),
    z.record(
      z.string(),
      z.looseObject({
        parameters: z
          .array(z.looseObject({ name: z.string(), in: z.string(), required: z.boolean().optional() }))
          .optional(),
      }),
    ),
  ),
})

/** Every GET of the API, with what its parameters need, and the board's own API down to single jobs and their logs. */
async function askAllRoutes({ http, sql }: World): Promise<void> {
  const [known] = await sql<{ run: string; symbol: string; item: string }[]>`
    SELECT run_id AS run, symbol, id::text AS item FROM ingest_items ORDER BY id DESC LIMIT 1`
  const value: Record<string, string> = {
    id: known?.run ?? '00000000-0000-7000-8000-000000000000',
    symbol: known?.symbol ?? 'IBM',
    start_date: '2020-01-01',
    end_date: '2030-01-01',
  }
  const { paths } = openapi.parse(JSON.parse((await http.request('/openapi.json')).text))
  for (const [path, methods] of Object.entries(paths)) {
    const parameters = methods['get']?.parameters ?? []
    if (methods['get'] === undefined) continue
    const query = parameters
      .filter((one) => one.in === 'query' && (one.required === true || value[one.name] !== undefined))
      .map((one) => `${one.name}=${value[one.name] ?? ''}`)
    await http.request(
      `${path.replaceAll(/\{(\w+)\}/g, (_all, name: string) => value[name] ?? '')}?${query.join('&')}`,
    )
  }
  const job = `item-${known?.item ?? '1'}`
  for (const path of [
    ...['latest', 'active', 'waiting', 'completed', 'failed', 'delayed', 'prioritized'].map(
      (status) => `queues?activeQueue=ingest&status=${status}&page=1&jobsPerPage=1000`,
    ),
    `queues/ingest/${job}`,
    `queues/ingest/${job}/logs`,
  ])
    await http.request(`/queues/api/${path}`)
}
