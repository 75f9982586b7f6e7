import { crc32 } from 'node:zlib'
import * as z from 'zod'

/** Writes and reads the cursors of one list. */
export interface ListCursor<Place> {
  /**
   * @param place of the entry after which the list goes on
   * @param filter all other parameters of the request; what JSON.stringify leaves out of it does not count
   */
  encode(place: Place, filter: unknown): string
  /** @returns null for any text but a cursor that `encode` made for this list and this filter */
  decode(cursor: string, filter: unknown): Place | null
}

/**
 * A cursor carries a checksum of its request, which finds mistakes, such as the cursor of another request. The checksum is
 * no secret: a client that makes a cursor by itself gets only entries that its request would give it anyway.
 * @param operation tells the lists apart
 */
export function createListCursor<Place>(operation: string, placeSchema: z.ZodType<Place>): ListCursor<Place> {
  const contentSchema = z.tuple([placeSchema, z.int()])
  const encode = (place: Place, filter: unknown) => {
    const check = crc32(JSON.stringify([operation, place, filter]))
    return writeCursor([place, check])
  }
  return {
    encode,
    decode(cursor, filter) {
      const content = contentSchema.safeParse(parseCursor(cursor))
      if (!content.success) return null
      const [place] = content.data
      return encode(place, filter) === cursor ? place : null
    },
  }
}

/** The text of a cursor: its content as JSON in base64url, so that a URL holds it as it is. */
export function writeCursor(content: readonly unknown[]): string {
  return Buffer.from(JSON.stringify(content)).toString('base64url')
}

/** @returns the content, unchecked; undefined for a text that holds no JSON */
export function parseCursor(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString())
  } catch {
    return undefined
  }
}
