import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { redactorOf } from '../../src/text/redact.js'

const hexOf = (code: number) => code.toString(16).padStart(2, '0')
const each = (encode: (code: number) => string) => (text: string) =>
  Array.from(text, (character) => encode(character.charCodeAt(0))).join('')
const AMPERSANDS = ['&', '&amp;', '&#38;', String.raw`\u0026`, '%26']

/** The ways in which programs repeat a text, each written without regular expressions. */
const ENCODINGS: Record<string, (text: string) => string> = {
  'as it is': (text) => text,
  'percent-encoded': encodeURIComponent,
  'percent-encoded twice': (text) => encodeURIComponent(encodeURIComponent(text)),
  'as a form': (text) => new URLSearchParams({ k: text }).toString().slice(2),
  'percent-encoded whole': each((code) => `%${hexOf(code)}`),
  'as JSON': (text) => JSON.stringify(text).slice(1, -1),
  'as JSON in JSON': (text) => JSON.stringify(JSON.stringify(text)).slice(3, -3),
  'as JSON, whole': each((code) => String.raw`\u00${hexOf(code)}`),
  'as a program has it': each((code) => String.raw`\x${hexOf(code)}`),
  'as ECMAScript has it': each((code) => String.raw`\u{${hexOf(code)}}`),
  'as decimal entities': each((code) => `&#${code};`),
  'as long decimal entities without an end': each((code) => `&#000${code}`),
  'as hexadecimal entities': each((code) => `&#x${hexOf(code).toUpperCase()};`),
  'as entities by name': (text) =>
    text
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replaceAll('>', '&gt;')
      .replaceAll('"', '&quot;')
      .replaceAll("'", '&apos;')
      .replaceAll('+', '&plus;')
      .replaceAll('/', '&sol;')
      .replaceAll('_', '&lowbar;'),
  ...Object.fromEntries(
    AMPERSANDS.map((ampersand) => [
      `as entities behind ${ampersand}`,
      each((code) => `${ampersand}#${code};`),
    ]),
  ),
  'in hex': (text) => Buffer.from(text).toString('hex'),
  'in capital hex': (text) => Buffer.from(text).toString('hex').toUpperCase(),
  'as a dump': each((code) => `${hexOf(code)} `),
  'as a list of bytes': each((code) => `0x${hexOf(code)}, `),
  'in hex, percent-encoded before': (text) => Buffer.from(encodeURIComponent(text)).toString('hex'),
}

/** The ways in which programs write base64. The tests put the key into a longer text, so that it begins at any place of a group of three bytes. */
const BASE64: Record<string, (bytes: Buffer) => string> = {
  'in base64': (bytes) => bytes.toString('base64'),
  'in base64url': (bytes) => bytes.toString('base64url'),
  'in base64 as JSON': (bytes) => bytes.toString('base64').replaceAll('/', String.raw`\/`),
  'in base64, percent-encoded': (bytes) => encodeURIComponent(bytes.toString('base64')),
  'in base64 by lines': (bytes) => bytes.toString('base64').replaceAll(/.{7}/g, '$&\r\n'),
}

const key = fc.string({
  unit: fc.constantFrom(...Array.from('ABCXYZ0189abcxyz+/&="%<>\\_- .#;')),
  minLength: 6,
  maxLength: 24,
})
const around = fc.stringMatching(/^[ghijkGHIJK<>"]{0,8}$/)

describe('the key in any encoding', () => {
  it.each(Object.entries(ENCODINGS))('is redacted %s, and what is around it stays', (_name, encode) => {
    fc.assert(
      fc.property(
        key.map((text) => text.trim()).filter((text) => text.length >= 6),
        around,
        around,
        (secret, before, after) => {
          const text = `${before}${encode(secret)}${after}`
          const redacted = redactorOf(secret)(text)
          expect(redacted.startsWith(before)).toBe(true)
          expect(redacted).toContain('[redacted]')
          expect(redacted.endsWith(after)).toBe(true)
          // In a list of bytes each has `0x` before it and a comma behind it.
          expect(redacted.length).toBeLessThanOrEqual(before.length + after.length + '0x[redacted], '.length)
        },
      ),
      { numRuns: 50 },
    )
  })

  it.each(Object.entries(BASE64))(
    'is redacted %s, wherever it stands in what was encoded',
    (_name, encode) => {
      fc.assert(
        fc.property(key, fc.string(), fc.string(), (secret, before, after) => {
          const [front, back] = [Buffer.from(before), Buffer.from(after)]
          const redacted = redactorOf(secret)(encode(Buffer.concat([front, Buffer.from(secret), back])))
          // The text around the key is left, but for the characters that held bits of both.
          const left = redacted
            .replaceAll('%2B', '+')
            .replaceAll('%2F', '/')
            .replaceAll(/%3D|\s|[\\=]/g, '')
            .split('[redacted]')
          expect(left.length).toBeGreaterThan(1)
          expect(left[0]?.length).toBeLessThanOrEqual(Math.floor((front.length * 8) / 6))
          expect(left.at(-1)?.length).toBeLessThanOrEqual(Math.ceil((back.length * 8) / 6))
        }),
      )
    },
  )

  it('and nothing else is redacted', () => {
    const redact = redactorOf('a.B +c')
    for (const form of ['a.B +c', 'A.b%20%2Bc', 'a.B+%2bc', 'a%2EB%2520%252Bc', String.raw`a.B \u002bc`])
      expect(redact(`<${form}>`)).toBe('<[redacted]>')
    expect(redact('aXB +c a.B c')).toBe('aXB +c a.B c')
    const series = JSON.stringify({ '2026-05-15': { '4. close': '101.2500', '5. volume': '6154450' } })
    fc.assert(
      fc.property(key, (secret) => {
        fc.pre(!series.toLowerCase().includes(secret.toLowerCase()))
        expect(redactorOf(secret)(series)).toBe(series)
      }),
    )
  })

  it('is redacted from hostile text in time', () => {
    const secret = 'a\\b&cCANARY+/='
    const starts = [
      '\\',
      '%25',
      'a',
      'a\\\\',
      '%',
      '&amp;',
      '&#0',
      '61 ',
      '0x61,',
      'YV',
      'YVxi\n\n\n\n',
      secret.slice(0, -1),
      Buffer.from(secret).toString('base64').slice(0, -4),
      Buffer.from(secret.slice(0, -1)).toString('hex'),
    ]
    const redact = redactorOf(secret)
    for (const text of starts) {
      const hostile = text.repeat(Math.ceil(65_536 / text.length))
      const startedAt = process.cpuUsage()
      redact(hostile)
      // It takes some 10 ms on two cores; quadratic time would take minutes.
      expect(process.cpuUsage(startedAt).user / 1_000).toBeLessThan(1_000)
    }
  })
})
