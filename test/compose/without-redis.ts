import * as z from 'zod'
import { waitFor } from './api.js'
import { assert } from './claims.js'
import type { Claims } from './claims.js'
import { ingestAndServe, keepData } from './demo.js'
import { docker } from './docker.js'
import { interrupt } from './interruptions.js'
import type { Stack } from './stack.js'

/** The longest that a line of a log may be: one with a stack trace is longer, and one that says one thing is shorter. */
const LINE_LENGTH = 1_000
/** How many lines above `info` all processes may write for a restart of PostgreSQL and a killed worker. */
const LINES_OF_TROUBLE = 40
const lineSchema = z.object({
  level: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal']),
  time: z.iso.datetime(),
  service: z.string(),
  msg: z.string(),
})

/** Checks the variant whose queue is in PostgreSQL, from an empty volume on. */
export async function checkWithoutRedis(stack: Stack, { claim }: Claims): Promise<void> {
  await stack.down('--volumes')
  stack.withoutRedis(true)
  stack.demo(true)
  await stack.environment('')
  await stack.override({})
  await claim('without Redis, up brings everything up on empty volumes', async () => {
    await stack.up('--build')
    const services = (await stack.compose('ps', '--services')).trim().split('\n')
    assert(services.includes('worker') && !services.includes('redis'), `there run ${services.join(', ')}`)
    return `there run ${services.toSorted().join(', ')}`
  })
  await claim(
    'without Redis, an ingest finishes; prices, statistics and the board are served',
    ingestAndServe,
  )
  await claim(
    'without Redis, the only worker killed (SIGKILL) starts again and finishes the run',
    async () => {
      await stack.slowDown(500)
      return interrupt(stack, 'KILL', { symbols: 100, after: 30 }, () => killAsTheKernelWould(stack))
    },
  )
  await claim('without Redis, PostgreSQL restarted in the middle of a run costs nothing of it', () =>
    interrupt(stack, 'RESTART', { symbols: 100, after: 30 }, () => stack.compose('restart', 'postgres')),
  )
  await claim('all that is in the logs has one shape, says no stack, and little of the trouble', async () => {
    const logs = await Promise.all(['migrate', 'api', 'worker'].map((service) => stack.logs(service)))
    // The demo's banner is for people, and no JSON.
    const lines = logs.flatMap((log) => log.split('\n')).filter((line) => !/^(!!.*)?$/.test(line.trim()))
    const parsed = lines.map((line) => lineSchema.parse(JSON.parse(line)))
    const long = lines.filter((line) => line.length > LINE_LENGTH || line.includes('"stack"'))
    assert(long.length === 0, `${long.length} lines are long, such as ${long[0]}`)
    const trouble = lines.filter(
      (_, index) => !['trace', 'debug', 'info'].includes(parsed[index]?.level ?? ''),
    )
    assert(trouble.length <= LINES_OF_TROUBLE, `${trouble.length} lines above info:\n${trouble.join('\n')}`)
    return `${lines.length} lines, ${trouble.length} above info, none longer than ${Math.max(...lines.map(({ length }) => length))} characters`
  })
  await claim('without Redis, down and up again keep the data', () => keepData(stack))
  await stack.down('--volumes')
  stack.withoutRedis(false)
}

/** Kills the worker's process itself: after `docker kill` Docker counts the container as stopped by hand and does not restart it. */
async function killAsTheKernelWould(stack: Stack): Promise<void> {
  const [worker = ''] = await stack.containers('worker')
  const state = (format: string) => docker(['inspect', '--format', format, worker])
  const pid = (await state('{{.State.Pid}}')).trim()
  const shell = ['run', '--rm', '--pid=host', '--user=0', '--entrypoint', 'sh', 'stockpile', '-c']
  await docker([...shell, `kill -KILL ${pid}`])
  await waitFor(
    () => 'Docker to start the worker again',
    async () => Number((await state('{{.RestartCount}}')).trim()) > 0 || undefined,
  )
}
