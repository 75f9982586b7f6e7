/**
 * Caches bodies by key, at most `limitBytes` together: the least recently used body is dropped first. A body that is larger
 * than `limitBytes` by itself is not kept.
 * @returns a function that gives the cached body of a key, or the body that it makes
 */
export function byteCache(limitBytes: number): (key: string, make: () => Buffer) => Buffer {
  const kept = new Map<string, Buffer>()
  let keptBytes = 0

  return (key, make) => {
    const hit = kept.get(key)
    if (hit !== undefined) {
      kept.delete(key)
      kept.set(key, hit)
      return hit
    }
    const body = make()
    if (body.length > limitBytes) return body
    kept.set(key, body)
    keptBytes += body.length
    for (const [oldest, { length }] of kept) {
      if (keptBytes <= limitBytes) break
      kept.delete(oldest)
      keptBytes -= length
    }
    return body
  }
}
