/**
 * Reads a body as its media type.
 * @returns the value that the schema is about, or what is wrong with the body
 */
export function parseAs(type: string, body: string): { value: unknown } | { fault: string } {
  if (type === 'application/json' || type.endsWith('+json')) return parseJson(body)
  if (type === 'text/csv') {
    const fault = csvFault(body)
    return fault === undefined ? { value: body } : { fault }
  }
  if (/^application\/(x-)?(ndjson|jsonl)$/.test(type)) {
    const wrong = body.split('\n').findIndex((line, index, all) => {
      const isEnd = index === all.length - 1
      return isEnd ? line !== '' : 'fault' in parseJson(line)
    })
    // An empty body is sound NDJSON without any line.
    return wrong === -1 ? { value: body } : { fault: `is no NDJSON in line ${wrong + 1}` }
  }
  return { value: body }
}

function parseJson(body: string): { value: unknown } | { fault: string } {
  try {
    const value: unknown = JSON.parse(body)
    return { value }
  } catch {
    return { fault: 'is no JSON' }
  }
}

const FIELD = '(?:"(?:[^"]|"")*"|[^",\\r\\n]*)'
const RECORD = new RegExp(`${FIELD}(?:,${FIELD})*(?:\\r\\n|$)`, 'y')

/** Checks RFC 4180: records end with CRLF, have as many fields as the header, and close and double their quotes. */
function csvFault(body: string): string | undefined {
  let fields: number | undefined
  RECORD.lastIndex = 0
  for (let line = 1; RECORD.lastIndex < body.length; line++) {
    const record = RECORD.exec(body)?.[0]
    if (record === undefined) return `is no CSV in record ${line}`
    const found = record.replaceAll(/"(?:[^"]|"")*"/g, '').split(',').length
    fields ??= found
    if (found !== fields) return `has another number of fields in record ${line}`
  }
  return fields === undefined ? 'is a CSV without a header' : undefined
}
