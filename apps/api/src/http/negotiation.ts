import { ProblemError } from './problem.js'

/** The formats of bars, in the order in which the server prefers them. */
export const FORMATS = ['json', 'csv', 'ndjson'] as const
export type Format = (typeof FORMATS)[number]

export const MEDIA_TYPES = {
  json: 'application/json',
  csv: 'text/csv',
  ndjson: 'application/x-ndjson',
} as const satisfies Record<Format, string>

/** @throws ProblemError 406 when Accept (RFC 9110, 12.5.1) takes none of the formats */
export function negotiateFormat(accept: string | undefined): Format {
  if (accept === undefined || accept.trim() === '') return 'json'
  const ranges = accept.split(',').map(parseRange)
  let best: { format: Format; quality: number } | undefined
  for (const format of FORMATS) {
    const quality = qualityOf(MEDIA_TYPES[format], ranges)
    if (quality > (best?.quality ?? 0)) best = { format, quality }
  }
  if (best !== undefined) return best.format
  throw notAcceptable()
}

export function notAcceptable(): ProblemError {
  return new ProblemError(406, `Accept takes none of ${Object.values(MEDIA_TYPES).join(', ')}.`, {
    errors: [{ pointer: '/headers/accept', code: 'not_acceptable', detail: 'Or give format.' }],
  })
}

interface MediaRange {
  type: string
  /** From 0, not at all, to 1. */
  quality: number
}

function parseRange(text: string): MediaRange {
  const [type = '', ...parameters] = text.split(';').map((part) => part.trim().toLowerCase())
  const weight = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2) ?? '1'
  // A range with a weight that is not valid takes nothing.
  return { type, quality: /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(weight) ? Number(weight) : 0 }
}

/** The quality of the most specific range that covers the type; 0 when none does. */
function qualityOf(mediaType: string, ranges: MediaRange[]): number {
  for (const wanted of [mediaType, mediaType.replace(/\/.*/, '/*'), '*/*']) {
    const range = ranges.find(({ type }) => type === wanted)
    if (range !== undefined) return range.quality
  }
  return 0
}
