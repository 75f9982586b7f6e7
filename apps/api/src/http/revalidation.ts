import { crc32 } from 'node:zlib'
import type { FastifyReply, FastifyRequest } from 'fastify'
import * as z from 'zod'

/**
 * Raise this number when unchanged data is answered in another shape, or rounded otherwise: tags of older answers then stop
 * matching.
 */
const REPRESENTATION = 2

/** What names an answer that a client may keep and ask for again. */
export interface Revalidation {
  operation: string
  /** The query as the API understood it: requests that differ in writing alone get one tag. */
  query: unknown
  /** The format of the body, e.g. `csv`. */
  format: string
  /** The request headers that the answer depends on, as the header Vary names them. */
  vary: string
}

/**
 * The tag is weak, since the data may come compressed, or with other line breaks. The version alone tells answers to one
 * request apart; the checksum of the request keeps a client that mixes up its URLs from being told that nothing has changed.
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
 * Prepares the reply as a 304, which the caller sends, when the client already has the current answer.
 * @param readVersion reads the current version of the data, undefined when there is no data to answer with; it is called
 *   only for a request with If-None-Match
 * @returns whether the reply is a 304
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
 * The headers of an answer that a client may keep, and has to ask for again before each use.
 * @param version of the rows in the answer, or an older version: a newer version would hide a change
 */
export function cacheHeaders(revalidation: Revalidation, version: string): Record<string, string> {
  return { etag: entityTag(revalidation, version), 'cache-control': 'no-cache', vary: revalidation.vary }
}

const TAG = 'W/"613047829415-1k9v3qp"'

/** OpenAPI's description of `cacheHeaders`. */
export const CACHE_HEADERS = {
  ETag: {
    description: 'Weak: of this request and the version of the data asked for.',
    required: true,
    schema: { type: 'string' },
    example: TAG,
  },
  'Cache-Control': {
    description: 'Keep it, and ask again with If-None-Match before each use.',
    required: true,
    schema: { type: 'string', const: 'no-cache' },
    example: 'no-cache',
  },
  Vary: {
    description: 'The headers of the request that the answer depends on.',
    required: true,
    schema: { type: 'string' },
    example: 'accept-encoding',
  },
} as const

/** The request headers of a route whose answers can be revalidated. */
export const revalidationHeaders = z.object({
  'if-none-match': z
    .string()
    .optional()
    .meta({ description: 'The ETag of an earlier answer, several of them, or *.', examples: [TAG] }),
})

/** The response schema of 304, which has no body. */
export const unchangedSchema = z.null().meta({
  description: 'If-None-Match names what would be answered, or is *: nothing has changed.',
})
