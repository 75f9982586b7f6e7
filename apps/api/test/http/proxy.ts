import { startProxy } from '@stockpile/test-harness/proxy'
import type { Proxy } from '@stockpile/test-harness/proxy'
import { afterAll, beforeAll } from 'vitest'

/**
 * Starts a TCP proxy before a server, for the tests of a block. A proxy without a target takes connections and answers
 * nothing.
 */
export function useProxy(
  target: string | null,
): Pick<Proxy, 'url' | 'freeze' | 'thaw' | 'refuse' | 'accept'> {
  let started: Proxy | undefined
  const proxy = () => {
    if (started === undefined) throw new Error('useProxy: it listens only while tests run')
    return started
  }
  beforeAll(async () => {
    started = await startProxy(target)
  })
  afterAll(() => started?.close())
  return {
    get url() {
      return proxy().url
    },
    freeze: () => proxy().freeze(),
    thaw: () => proxy().thaw(),
    refuse: () => proxy().refuse(),
    accept: () => proxy().accept(),
  }
}
