import { crc32 } from 'node:zlib'
import * as z from 'zod'

/** How a walk through a list goes on. */
export interface ListCursor<Place> {
  /** @param filter what else was asked for; all that JSON keeps of it */
  encode(place: Place, filter: unknown): string
  /** @returns null for what is not exactly a cursor of this list and this filter */
  decode(cursor: string, filter: unknown): Place | null
}

/**
 * Cursors of one list. The check in them finds mistakes, as in cursor.ts; it is no secret.
 * @param operation tells the lists apart
 */
export function createListCursor<Place>(operation: string, placeSchema: z.ZodType<Place>): ListCursor<Place> {
  const contentSchema = z.tuple([placeSchema, z.int()])
  const encode = (place: Place, filter: unknown) => {
    const check = crc32(JSON.stringify([operation, place, filter]))
    return Buffer.from(JSON.stringify([place, check])).toString('base64url')
  }
  return {
    encode,
    decode(cursor, filter) {
      const content = contentSchema.safeParse(parseJson(Buffer.from(cursor, 'base64url').toString()))
      if (!content.success) return null
      const [place] = content.data
      return encode(place, filter) === cursor ? place : null
    },
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
