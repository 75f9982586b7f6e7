/** Every key of every world begins with it: letters, which no encoding of URL, JSON or HTML changes. */
const MARK = 'CANARY'
export const API_KEY = `${MARK}+KEY/0123456789`
/** For a world whose key is replaced. */
export const NEXT_API_KEY = `${MARK}+NEXT/9876543210`

const bytes = Buffer.from(`${MARK}+`)
/** As a bytea shows it. */
const anyCase = new RegExp(`${MARK}|${bytes.toString('hex')}`, 'i')
const inBase64 = [0, 1, 2].map((shift) => {
  const text = Buffer.concat([Buffer.alloc(shift), bytes]).toString('base64')
  // Characters that consist of the mark's bits alone.
  return text.slice(Math.ceil((shift * 8) / 6), Math.floor(((shift + bytes.length) * 8) / 6))
})

/** Whether an API key, or part of one, is in the text: as it is, escaped in whatever way, in hex or in base64. */
export function isKeyIn(text: string): boolean {
  return anyCase.test(text) || inBase64.some((form) => text.includes(form))
}
