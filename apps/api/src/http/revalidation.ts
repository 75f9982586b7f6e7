import { crc32 } from 'node:zlib'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** To be raised when the same data is answered in another shape or rounded otherwise: what clients have kept is of the old one. */
const REPRESENTATION = 2

/** An answer that a client may keep and ask for again. */
export interface Revalidation {
  /** The operation, and the query as it was understood: other writings of the same request give the same tag. */
  operation: string
  query: unknown
  /** Of the body, e.g. `csv`. */
  format: string
  /** What the answer depends on besides the URL. */
  vary: string
}

/**
 * Weak, since the same data may come compressed, or with other line breaks. The version alone tells answers to one request
 * apart; the checksum of the request keeps a client that mixes up its URLs from being told that nothing has changed.
 */
export function entityTag({ operation, query, format }: Revalidation, version: string): string {
  return `W/"${version}-${crc32(JSON.stringify([REPRESENTATION, operation, format, query])).toString(36)}"`
}

/** Whether If-None-Match (RFC 9110, 13.1.2) names a tag, by the weak comparison, or is `*`. */
export function namesTag(ifNoneMatch: string, tag: string): boolean {
  if (ifNoneMatch.trim() === '*') return true
  const opaque = tag.slice(tag.indexOf('"'))
  return [...ifNoneMatch.matchAll(/"[^"]*"/g)].some(([given]) => given === opaque)
}

/**
 * Whether the client has what it would get: then the reply is a 304, still to be sent. Asked only with If-None-Match.
 * @param readVersion the version as it is now; undefined when there is nothing to answer with
 */
export async function isUnchanged(
  request: FastifyRequest,
  reply: FastifyReply,
  revalidation: Revalidation,
  readVersion: () => Promise<string | undefined>,
): Promise<boolean> {
  const ifNoneMatch = request.headers['if-none-match']
  if (ifNoneMatch === undefined) return false
  const version = await readVersion()
  if (version === undefined || !namesTag(ifNoneMatch, entityTag(revalidation, version))) return false
  reply.code(304).headers(cacheHeaders(revalidation, version))
  return true
}

/**
 * Of an answer that may be kept, and is to be asked for again before each use.
 * @param version of the rows in the answer, or an older one: a newer one would hide a change
 */
export function cacheHeaders(revalidation: Revalidation, version: string): Record<string, string> {
  return { etag: entityTag(revalidation, version), 'cache-control': 'no-cache', vary: revalidation.vary }
}
