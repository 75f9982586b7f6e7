import { describe, expect, test } from 'vitest'
import { LATE, tick, within } from '../src/wait.js'

const HOUR_MS = 3_600_000

describe('Waiting at most so long', () => {
  test('gives what the work gave in time, and leaves no timer behind', async () => {
    const before = process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
    expect(await within(Promise.resolve(7), HOUR_MS)).toBe(7)
    const after = process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
    expect(after).toBe(before)
  })

  test('throws what the work threw in time', async () => {
    await expect(within(Promise.reject(new Error('refused')), HOUR_MS)).rejects.toThrow('refused')
  })

  test('says that work is late, whose rejection afterwards ends no process', async () => {
    let reject: (error: Error) => void = () => {}
    const work = new Promise<never>((_resolve, rejectWork) => (reject = rejectWork))
    expect(await within(work, 1)).toBe(LATE)
    reject(new Error('too late'))
    await new Promise((resolve) => setImmediate(resolve))
  })
})

describe('A tick', () => {
  test('ends at once with false when its signal has aborted, or aborts meanwhile', async () => {
    expect(await tick(HOUR_MS, AbortSignal.abort())).toBe(false)
    const stop = new AbortController()
    const waiting = tick(HOUR_MS, stop.signal)
    stop.abort()
    expect(await waiting).toBe(false)
  })

  test('is true once its time is over', async () => {
    expect(await tick(1, new AbortController().signal)).toBe(true)
  })
})
