#!/usr/bin/env node
import type { PlanLimits } from '@stockpile/domain/limit'
import { PLANS } from '@stockpile/domain/plan'
import { openSync, readFileSync, writeSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { z } from 'zod'
import { limitsOf } from '../plan.js'
import { parseRules, REAL_WINDOWS, startSimulator } from './server.js'

const HELP = `alphavantage-simulator: answers like Alpha Vantage, on synthetic or recorded prices

  --host HOST           address to listen on (127.0.0.1)
  --port PORT           port to listen on (0: a free one, which is printed)
  --plan PLAN           keep the limits of ${PLANS.join(', ')} (none)
  --per-second N        requests in any second, in place of the plan's (0: no limit)
  --per-minute N        the same for 60 seconds
  --per-day N           the same for 24 hours
  --second-ms, --minute-ms, --day-ms MS
                        lengths of these windows, to compress a day in a test
  --replay DIR          serve the recordings of a folder, named like daily_compact_IBM_2026-05-15.json
  --rules FILE          a JSON array of rules, as PUT /simulator/rules takes
  --arrivals FILE       append one JSON line for each request
  --years N             how far outputsize=full reaches back (25)
  --latency MS          wait before every answer (0)
  --now INSTANT         stand still at this time, such as 2026-05-15T22:00:00Z (the clock)
  --help                this text

It stops on SIGINT and SIGTERM, and when the process that forked it goes away.
Symbols that start with INVALID or contain NOSUCH do not exist. The keys demo and invalid are refused.
`

const whole = z
  .string()
  .regex(/^\d{1,12}$/, 'takes a whole number')
  .transform(Number)
const argumentsSchema = z.object({
  host: z.string().min(1).optional(),
  port: whole.refine((port) => port < 65_536, 'takes a port, 0 to 65535').optional(),
  plan: z.enum(PLANS, `takes one of ${PLANS.join(', ')}`).optional(),
  'per-second': whole.optional(),
  'per-minute': whole.optional(),
  'per-day': whole.optional(),
  'second-ms': whole.optional(),
  'minute-ms': whole.optional(),
  'day-ms': whole.optional(),
  replay: z.string().min(1).optional(),
  rules: z.string().min(1).optional(),
  arrivals: z.string().min(1).optional(),
  years: whole.optional(),
  latency: whole.optional(),
  now: z.iso.datetime({ offset: true, error: 'takes an instant such as 2026-05-15T22:00:00Z' }).optional(),
})
type Arguments = z.output<typeof argumentsSchema>

/** A wrong command line, which exits with code 2; every other error exits with code 1. */
class UsageError extends Error {}

function readArguments(): Arguments | 'help' {
  const text = { type: 'string' } as const
  const names = Object.keys(argumentsSchema.shape)
  const options = {
    ...Object.fromEntries(names.map((name) => [name, text])),
    help: { type: 'boolean' },
  } as const
  let values: Record<string, unknown>
  try {
    values = parseArgs({ options, strict: true }).values
  } catch (error) {
    throw new UsageError(messageOf(error))
  }
  if (values.help === true) return 'help'
  const parsed = argumentsSchema.safeParse(values)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new UsageError(`--${issue?.path.join('.')} ${issue?.message}.`)
}

function limitsFrom(given: Arguments): PlanLimits | undefined {
  const overrides = [given['per-second'], given['per-minute'], given['per-day']]
  if (given.plan === undefined && overrides.every((limit) => limit === undefined)) return undefined
  const base = given.plan === undefined ? { perSecond: 0, perMinute: 0, perDay: 0 } : limitsOf(given.plan)
  return {
    perSecond: given['per-second'] ?? base.perSecond,
    perMinute: given['per-minute'] ?? base.perMinute,
    perDay: given['per-day'] ?? base.perDay,
  }
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if ('code' in error && error.code === 'EADDRINUSE' && 'port' in error && 'address' in error) {
    return `Port ${String(error.port)} of ${String(error.address)} is taken by another program.`
  }
  return error.message
}

async function main(): Promise<void> {
  const given = readArguments()
  if (given === 'help') {
    process.stdout.write(HELP)
    return
  }
  const rules = given.rules === undefined ? [] : parseRules(JSON.parse(readFileSync(given.rules, 'utf8')))
  const log = given.arrivals === undefined ? undefined : openSync(given.arrivals, 'a')
  const { now } = given
  const simulator = await startSimulator({
    host: given.host,
    port: given.port,
    plan: given.plan,
    limits: limitsFrom(given),
    windows: {
      secondMs: given['second-ms'] ?? REAL_WINDOWS.secondMs,
      minuteMs: given['minute-ms'] ?? REAL_WINDOWS.minuteMs,
      dayMs: given['day-ms'] ?? REAL_WINDOWS.dayMs,
    },
    replayDir: given.replay,
    years: given.years,
    latencyMs: given.latency,
    now: now === undefined ? undefined : () => new Date(now),
    onArrival:
      log === undefined ? undefined : (arrival) => void writeSync(log, `${JSON.stringify(arrival)}\n`),
  })
  for (const rule of rules) simulator.rule(rule)

  const stop = () => {
    void simulator.close()
    if (process.connected) process.disconnect()
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  process.on('disconnect', stop)
  process.stdout.write(`alphavantage-simulator listens on ${simulator.url}\n`)
  process.send?.({ url: simulator.url })
}

main().catch((error: unknown) => {
  process.stderr.write(`alphavantage-simulator: ${messageOf(error)}\n`)
  process.exitCode = error instanceof UsageError ? 2 : 1
  if (process.connected) process.disconnect()
})
