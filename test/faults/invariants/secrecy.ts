import type postgres from 'postgres'
import { z } from 'zod'
import { isKeyIn } from '../environment/canary.js'
import type { Environment } from '../environment/environment.js'

const ROWS_AT_ONCE = 5_000

/**
 * Checks I5: searches logs, tables and Redis for the API key, and asks every route of the API once.
 * `Http` searches each answer when it comes.
 */
export async function keySightings(environment: Environment): Promise<string[]> {
  const { programs, postgres: server, redis } = environment
  const found: string[] = []
  if (programs.outputs().some(isKeyIn)) found.push('I5: the key is in the log of a program')
  if (isKeyIn(await server.log())) found.push("I5: the key is in PostgreSQL's log")
  for (const table of await tablesWithKey(environment.sql)) found.push(`I5: the key is in the table ${table}`)
  if (redis !== null && isKeyIn(await redis.dump())) found.push('I5: the key is in Redis')
  await askAllRoutes(environment)
  return found
}

/** Searches the text of each row of every table, those of the queue and of the migrations included. */
async function tablesWithKey(sql: postgres.Sql): Promise<string[]> {
  const tables = await sql<{ name: string }[]>`
    SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables
     WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`
  const found: string[] = []
  for (const { name } of tables) {
    let isFound = false
    await sql<{ text: string }[]>`SELECT stored::text AS text FROM ${sql.unsafe(name)} AS stored`.cursor(
      ROWS_AT_ONCE,
      (rows) => {
        isFound ||= rows.some(({ text }) => isKeyIn(text))
      },
    )
    if (isFound) found.push(name)
  }
  return found
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

/**
 * Asks every GET of the API with the parameters that it needs, and the board's own API down to a job and its log.
 * An item that failed is preferred, since its answers say most.
 */
async function askAllRoutes({ http, sql }: Environment): Promise<void> {
  const [known] = await sql<{ run: string; symbol: string; item: string }[]>`
    SELECT run_id AS run, symbol, id::text AS item FROM ingest_items
     ORDER BY state = 'failed' DESC, id DESC LIMIT 1`
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
  // The OpenAPI document lacks this route, which may not even exist.
  await http.request('/metrics')
}
