/** Every key of every environment begins with it: letters, which no encoding of URL, JSON or HTML changes. */
const MARK = 'CANARY'
export const API_KEY = `${MARK}+KEY/0123456789`
/** For an environment whose key is replaced. */
export const NEXT_API_KEY = `${MARK}+NEXT/9876543210`

const bytes = Buffer.from(MARK)
/** As it is or in hex, also as a dump or a list of bytes. */
const anyCase = new RegExp(
  `${MARK}|${[...bytes].map((byte) => byte.toString(16)).join('[^0-9a-f]{0,4}(?:0x)?')}`,
  'i',
)
const inBase64 = [0, 1, 2].map((shift) => {
  const text = Buffer.concat([Buffer.alloc(shift), bytes]).toString('base64')
  // Characters that consist of the mark's bits alone.
  return text.slice(Math.ceil((shift * 8) / 6), Math.floor(((shift + bytes.length) * 8) / 6))
})

/** Whether an API key, or part of one, is in the text: as it is, escaped in whatever way, in hex or in base64. */
export function isKeyIn(text: string): boolean {
  return [text, unescaped(text)].some(
    (one) => anyCase.test(one) || inBase64.some((form) => one.includes(form)),
  )
}

/** Without what HTML, URLs and programs escape: a letter of the mark may be written so as well. */
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
