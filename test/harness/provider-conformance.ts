import { inspect } from 'node:util'
import { Refusal } from '@stockpile/domain/refusal'
import type { FetchedDaily, Provider, ProviderClient } from '@stockpile/domain/provider'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

/** A fake of the provider, which a provider's package ships with its client. */
export interface ProviderFake {
  baseUrl: string
  /** How many requests for data have arrived. */
  requests: () => number
  /** Answers every further request as this class, with `echo` wherever such an answer may repeat what was sent. */
  refuse: (refusal: string, echo: string) => void
  /** Sends the head of every further answer, and then its body a byte at a time for longer than any test waits. */
  drip: () => void
  /** Answers every further request with a body of at least this many decoded bytes, which are fewer on the wire. */
  flood: (bytes: number) => void
  close: () => Promise<void>
}

/** A provider's package, as its test hands it to the suite. */
export interface ProviderUnderTest {
  provider: Provider
  /** Starts a fake that answers with sound series until told otherwise. */
  startFake: () => Promise<ProviderFake>
  createClient: (options: {
    baseUrl: string
    apiKey: () => string
    timeoutMs: number
    bodyLimitBytes: number
  }) => ProviderClient
  /** A symbol that the fake has a series of. */
  symbol: string
}

/** A key with every kind of character that one encoding or another changes. */
const KEY = 'canary key/+&="%41'
/** The forms in which a provider, a proxy or a library may repeat the key. */
const FORMS = [
  KEY,
  encodeURIComponent(KEY),
  new URLSearchParams({ k: KEY }).toString().slice(2),
  JSON.stringify(KEY).slice(1, -1),
  Buffer.from(KEY).toString('base64'),
  Buffer.from(KEY).toString('hex'),
  KEY.replaceAll('&', '&amp;').replaceAll('"', '&quot;'),
]
const SENTENCE = /^[A-Z].*\.$/
const DEADLINE_MS = 10_000
const SHORT_DEADLINE_MS = 100
/** More than a full history has. */
const BODY_LIMIT_BYTES = 8 * 1024 * 1024

/** Declares what every provider's package must hold to, as tests of vitest. To be called at the top of a test file. */
export function describeProvider({ provider, startFake, createClient, symbol }: ProviderUnderTest): void {
  let fake: ProviderFake
  beforeEach(async () => {
    fake = await startFake()
  })
  afterEach(() => fake.close())

  function clientOf(timeoutMs = DEADLINE_MS): ProviderClient {
    const { baseUrl } = fake
    return createClient({ baseUrl, apiKey: () => KEY, timeoutMs, bodyLimitBytes: BODY_LIMIT_BYTES })
  }
  const fetchDaily = (signal?: AbortSignal, onDeparture?: () => void): Promise<FetchedDaily> =>
    clientOf().fetchDaily({ symbol, outputsize: 'full' }, signal, onDeparture)

  describe('a daily series', () => {
    test('is fetched with exactly one request, oldest row first, and its departure is told once', async () => {
      let departures = 0
      const { rows, bytes } = await fetchDaily(undefined, () => (departures += 1))
      expect(fake.requests()).toBe(1)
      expect(departures).toBe(1)
      expect(bytes).toBeGreaterThan(0)
      const dates = rows.map(({ date }) => date)
      expect(dates.length).toBeGreaterThan(0)
      expect(dates).toEqual([...new Set(dates)].toSorted())
    })

    test.each(['compact', 'full'] as const)('has no more rows than the window of %s', async (outputsize) => {
      const { rows, provisional } = await clientOf().fetchDaily({ symbol, outputsize })
      expect(rows.length + provisional.length).toBeLessThanOrEqual(provider.windows[outputsize] ?? Infinity)
    })
  })

  describe.each(Object.entries(provider.refusals))('a refusal of class %s', (name, row) => {
    const timeoutMs = name === 'timeout' ? SHORT_DEADLINE_MS : DEADLINE_MS

    test('is recognised, costs exactly one request, and says what happened and not what to do', async () => {
      fake.refuse(name, 'nothing')
      const refusal = await refusalOf(clientOf(timeoutMs).fetchDaily({ symbol, outputsize: 'full' }))
      expect(refusal).toMatchObject({ class: name, row, sent: true })
      expect(fake.requests()).toBe(1)
      expect(refusal.message.startsWith(`${symbol}: `)).toBe(true)
      expect(refusal.message.length).toBeGreaterThan(`${symbol}: `.length)
      expect(refusal.message).not.toContain(row.advice)
    })

    test('holds the key nowhere, however the answer repeats it', async () => {
      fake.refuse(name, FORMS.join(' '))
      // A person may paste the key where the symbol belongs.
      const refusal = await refusalOf(clientOf(timeoutMs).fetchDaily({ symbol: KEY, outputsize: 'full' }))
      expect(refusal.class).toBe(name)
      expect(refusal.cause).toBeUndefined()
      expectNoKey(inspect(refusal, { depth: 10, showHidden: true }))
      expectNoKey(JSON.stringify(refusal) + JSON.stringify(Object.entries(refusal)))
      expectNoKey(`${refusal.stack} ${refusal.message} ${String(refusal)} ${refusal.evidence}`)
    })

    test('has sentences for a person, and a disposition that fits its scope', () => {
      expect(row.meaning).toMatch(SENTENCE)
      expect(row.advice).toMatch(SENTENCE)
      const { disposition, scope } = row
      const isForMany = scope === 'key' || scope === 'everything'
      expect(disposition.action === 'snooze').toBe(isForMany)
      expect(disposition.action === 'retry' ? disposition.maxAttempts : 2).toBeGreaterThanOrEqual(2)
      expect(disposition.action === 'snooze' ? disposition.waitMs : 2_000).toBeGreaterThanOrEqual(2_000)
      expect(row.limit === null || scope === 'everything').toBe(true)
      expect(row.remembered === null || scope === 'item').toBe(true)
    })

    test('can be made again from the ledger, of a request that was not sent', () => {
      const refusal = provider.recall(name, `${symbol}: refused before.`)
      expect(refusal).toBeInstanceOf(Refusal)
      expect(refusal).toMatchObject({ class: name, row, sent: false, message: `${symbol}: refused before.` })
    })
  })

  test('a stored class that this version does not know can be recalled all the same', () => {
    const refusal = provider.recall('of_a_later_version', 'refused before')
    expect(Object.keys(provider.refusals)).toContain(refusal.class)
    expect(refusal.sent).toBe(false)
  })

  test('a body that drips ends at the deadline of the whole request', async () => {
    fake.drip()
    const start = performance.now()
    const { class: refusal } = await refusalOf(
      clientOf(SHORT_DEADLINE_MS).fetchDaily({ symbol, outputsize: 'full' }),
    )
    expect(refusal).toBe('timeout')
    expect(performance.now() - start).toBeLessThan(DEADLINE_MS)
    expect(fake.requests()).toBe(1)
  })

  test('a body that grows beyond the cap once decoded is dropped there', async () => {
    fake.flood(100 * BODY_LIMIT_BYTES)
    const before = process.memoryUsage().arrayBuffers
    const { class: refusal, disposition } = await refusalOf(fetchDaily())
    expect(refusal).toBe('too_large')
    expect(disposition.action).toBe('fail')
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(10 * BODY_LIMIT_BYTES)
    expect(fake.requests()).toBe(1)
  })

  describe('a signal', () => {
    test('that is aborted already sends nothing', async () => {
      const reason = new Error('the run was cancelled')
      await expect(fetchDaily(AbortSignal.abort(reason))).rejects.toBe(reason)
      expect(fake.requests()).toBe(0)
    })

    test('that aborts while the answer comes rejects with its reason, long before the deadline', async () => {
      const reason = new Error('the run was cancelled')
      const controller = new AbortController()
      fake.drip()
      const start = performance.now()
      const fetched = fetchDaily(controller.signal, () => setTimeout(() => controller.abort(reason), 50))
      await expect(fetched).rejects.toBe(reason)
      expect(performance.now() - start).toBeLessThan(DEADLINE_MS / 2)
    })
  })

  test('the key is redacted from any text, in every form, and nothing else is', () => {
    const redact = provider.redactorOf(KEY)
    for (const form of FORMS) expectNoKey(redact(`<${form}>`))
    expect(redact('A canary is a bird.')).toBe('A canary is a bird.')
  })

  test('each plan says what it allows', () => {
    const plans = Object.values(provider.plans)
    expect(plans.length).toBeGreaterThan(0)
    for (const { limits } of plans)
      for (const limit of [limits.perSecond, limits.perMinute, limits.perDay])
        expect(Number.isInteger(limit) && limit >= 0).toBe(true)
  })
}

async function refusalOf(request: Promise<unknown>): Promise<Refusal> {
  const thrown: unknown = await request.then(
    () => undefined,
    (error: unknown) => error,
  )
  if (!(thrown instanceof Refusal)) throw new Error('the request was not refused', { cause: thrown })
  return thrown
}

function expectNoKey(text: string): void {
  for (const form of FORMS) expect(text.toLowerCase()).not.toContain(form.toLowerCase())
  expect(text).not.toContain('canary')
}
