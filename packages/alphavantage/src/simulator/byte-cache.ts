/**
 * Bodies by key, least recently used first out, at most `limitBytes` together. A body that alone is larger is handed
 * back without being kept.
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
