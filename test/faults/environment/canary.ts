/** The beginning of every API key of the suite: letters, which no encoding of URL, JSON or HTML changes. */
const MARK = 'CANARY'
export const API_KEY = `${MARK}+KEY/0123456789`
/** The key that replaces `API_KEY` in scenarios that rotate it. */
export const NEXT_API_KEY = `${MARK}+NEXT/9876543210`

const bytes = Buffer.from(MARK)
/** Matches the mark as text and in hex, also as a dump or a list of bytes. */
const anyCase = new RegExp(
  `${MARK}|${[...bytes].map((byte) => byte.toString(16)).join('[^0-9a-f]{0,4}(?:0x)?')}`,
  'i',
)
const inBase64 = [0, 1, 2].map((shift) => {
  const text = Buffer.concat([Buffer.alloc(shift), bytes]).toString('base64')
  // Only characters made of the mark's bits alone are the same whatever surrounds the mark.
  return text.slice(Math.ceil((shift * 8) / 6), Math.floor(((shift + bytes.length) * 8) / 6))
})

/** Whether an API key, or its beginning, is in the text: plain, escaped for URL, JSON or HTML, in hex or in base64. */
export function isKeyIn(text: string): boolean {
  return [text, unescaped(text)].some(
    (one) => anyCase.test(one) || inBase64.some((form) => one.includes(form)),
  )
}

/** Undoes the escapes of HTML, URLs and programs, up to three deep: letters of the mark may be escaped too. */
function unescaped(text: string): string {
  let left = text
  for (let rounds = 0; rounds < 3; rounds += 1) {
    left = left
      .replaceAll(/&amp;|%26|\\u0026/gi, '&')
      .replaceAll('%25', '%')
      .replaceAll(/&#(\d{1,9});?/g, (_all, code: string) => letterOf(Number(code)))
      .replaceAll(/(?:&#x0*|%|\\x|\\u00|\\u\{0*)([0-9a-f]{2})(?:;|\})?/gi, (_all, hex: string) =>
        letterOf(Number.parseInt(hex, 16)),
      )
  }
  return left
}

function letterOf(code: number): string {
  return code > 31 && code < 127 ? String.fromCharCode(code) : ' '
}
