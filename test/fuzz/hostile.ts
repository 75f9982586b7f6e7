import * as fc from 'fast-check'
import type { Operation } from './document.js'
import type { FuzzRequest } from './fuzz-request.js'

/** Hostile texts hold this word, unless they are good values. No answer may repeat it. */
export const CANARY = 'zqcanary'

/** Texts as they stand in a URL. */
export const HOSTILE_TEXTS = [
  '%00', 'IBM%00', '%E0%A4%A', '%', '%zz', '%C0%80', '%ED%A0%80', '%FF%FE', '%F0%9F%92%A9', '%E2%80%AE',
  '%0D%0ASet-Cookie:%20zqcanary=1', '%3Czqcanary%3E', '%3Cimg%20src=x%20onerror=zqcanary%3E',
  "zqcanary'%20OR%20'1'='1", "zqcanary'%3B%20DROP%20TABLE%20financial_data%3B--", '1%20OR%201=1',
  "zqcanary')%20UNION%20SELECT%20version()%3B--", '%22zqcanary%22', '%5Czqcanary', '$%7Bjndi:ldap://zqcanary%7D',
  '%7B%7Bzqcanary%7D%7D', '..%2F..%2Fetc%2Fpasswd%00zqcanary', '../../zqcanary%22', '__proto__', 'constructor',
  'toString', 'Infinity', '1e400', '-0', '9'.repeat(400), '0x10', '99999999999999999999', '2024-02-30',
  '0000-01-01', '10000-01-01', 'true', 'null', '[]', '%5B%22zqcanary%22%5D', '', 'A'.repeat(33), 'A'.repeat(200),
  'A'.repeat(9_000), '+', '%20', '%C2%A0IBM', '%C4%B1bm', 'IBM,AAPL', ',,,', ';', 'IBM&limit=5&limit=6',
  'limit[]=5', 'a[b][c]=zqcanary%22', '\u00E9\u00FF',
] // prettier-ignore

const HEADERS: Record<string, string>[] = [
  { 'idempotency-key': '' },
  { 'idempotency-key': 'zqcanary zqcanary' },
  { 'idempotency-key': 'k'.repeat(256) },
  { 'idempotency-key': '\u00FFzqcanary' },
  { 'content-encoding': 'gzip' },
  { 'content-encoding': 'zqcanary' },
  { accept: 'text/zqcanary' },
  { accept: `${'*/*,'.repeat(500)}zqcanary` },
  { 'accept-encoding': 'zqcanary;q=2, gzip;q=0, *;q=-1' },
  { 'if-none-match': '"zqcanary", W/"' },
  { 'if-none-match': '*' },
  { 'if-modified-since': 'zqcanary' },
  { range: 'bytes=0-1,5-3,zqcanary' },
  { expect: 'zqcanary' },
  { host: 'zqcanary"' },
  { 'x-http-method-override': 'DELETE' },
  { 'x-forwarded-for': '<zqcanary>' },
  { 'x-request-id': '<zqcanary>' },
  { cookie: `zqcanary=${'x'.repeat(4_000)}` },
  { authorization: 'Bearer zqcanary' },
  { upgrade: 'websocket', connection: 'upgrade' },
  { 'x-long': 'x'.repeat(20_000) },
]

export const hostileHeaders = fc
  .array(fc.constantFrom(...HEADERS), { minLength: 1, maxLength: 2 })
  .map((ones) => Object.fromEntries(ones.flatMap((one) => Object.entries(one))))

const JSON_TYPE = 'application/json'
const nested = (open: string, close: string, depth: number) =>
  `{"symbols":${open.repeat(depth)}1${close.repeat(depth)}}`
const BODIES: [contentType: string, text: string][] = [
  ['', '{"symbols":["IBM"]}'],
  ['text/plain', 'zqcanary'],
  ['text/csv', 'zqcanary'],
  ['application/xml', '<!DOCTYPE x [<!ENTITY zqcanary SYSTEM "file:///etc/passwd">]><x>&zqcanary;</x>'],
  ['application/x-www-form-urlencoded', 'symbols=IBM'],
  ['multipart/form-data; boundary=zqcanary', '--zqcanary--'],
  ['application/json; charset=utf-16', '{}'],
  ['application/json; charset="zqcanary"', '{}'],
  ['application/zqcanary+json', '{}'],
  ['zqcanary', '{}'],
  [JSON_TYPE, ''],
  [JSON_TYPE, '{'],
  [JSON_TYPE, 'null'],
  [JSON_TYPE, '[]'],
  [JSON_TYPE, '"zqcanary"'],
  [JSON_TYPE, '{"symbols":["IBM"],"__proto__":{"force":true}}'],
  [JSON_TYPE, '{"symbols":["IBM"],"constructor":{"prototype":{"zqcanary":true}}}'],
  [JSON_TYPE, '{"symbols":["<zqcanary>"]}'],
  [JSON_TYPE, '{"symbols":["IBM\\u0000"]}'],
  [JSON_TYPE, '{"symbols":["\\ud800"]}'],
  [JSON_TYPE, '{"symbols":["IBM"],"symbols":["zqcanary\\n"]}'],
  [JSON_TYPE, '{"symbols":1e400}'],
  [JSON_TYPE, `{"symbols":${'9'.repeat(10_000)}}`],
  [JSON_TYPE, '{"symbols":["\u00FF\u00FE"]}'],
  [JSON_TYPE, '\u00EF\u00BB\u00BF{"symbols":["IBM"]}'],
  [JSON_TYPE, nested('[', ']', 5_000)],
  [JSON_TYPE, nested('{"zqcanary":', '}', 5_000)],
  [JSON_TYPE, `{"symbols":[${Array.from({ length: 10_001 }, () => '"A"').join(',')}]}`],
  [JSON_TYPE, ' '.repeat(1024 * 1024 + 1)],
]

export const hostileBody = fc
  .constantFrom(...BODIES.slice(0, -1), ...BODIES.slice(0, -1), ...BODIES)
  .map(([type, text]) => ({
    headers: { 'content-type': type },
    text,
  }))

/** Requests that are no HTTP, made around an address. */
const MALFORMED: [what: string, bytes: (target: string) => string][] = [
  ['TE and CL', (target) => `POST ${target} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n`],
  ['two lengths', (target) => `POST ${target} HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab`],
  ['a negative length', (target) => `POST ${target} HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n`],
  ['a length in words', (target) => `POST ${target} HTTP/1.1\r\nHost: a\r\nContent-Length: zqcanary\r\n\r\n`],
  ['a length of 2^64', (target) => `POST ${target} HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n`],
  ['a bad chunk', (target) => `POST ${target} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzqcanary\r\n`],
  ['TE twice', (target) => `POST ${target} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, zqcanary\r\n\r\n0\r\n\r\n`],
  ['no host', (target) => `GET ${target} HTTP/1.1\r\nConnection: close\r\n\r\n`],
  ['two hosts', (target) => `GET ${target} HTTP/1.1\r\nHost: a\r\nHost: zqcanary\r\nConnection: close\r\n\r\n`],
  ['a folded header', (target) => `GET ${target} HTTP/1.1\r\nHost: a\r\nX: 1\r\n zqcanary\r\nConnection: close\r\n\r\n`],
  ['a NUL in a header', (target) => `GET ${target} HTTP/1.1\r\nHost: a\r\nX: \0zqcanary\r\n\r\n`],
  ['a space in a header name', (target) => `GET ${target} HTTP/1.1\r\nHost : zqcanary\r\n\r\n`],
  ['bare line feeds', (target) => `GET ${target} HTTP/1.1\nHost: a\nConnection: close\n\n`],
  ['a space in the address', (target) => `GET ${target} zqcanary HTTP/1.1\r\nHost: a\r\n\r\n`],
  ['a NUL in the address', (target) => `GET ${target}\0zqcanary HTTP/1.1\r\nHost: a\r\n\r\n`],
  ['HTTP 3.0', (target) => `GET ${target} HTTP/3.0\r\nHost: a\r\n\r\n`],
  ['HTTP 0.9', (target) => `GET ${target}\r\n\r\n`],
  ['HTTP 1.0', (target) => `GET ${target} HTTP/1.0\r\n\r\n`],
  ['a method in small letters', (target) => `get ${target} HTTP/1.1\r\nHost: a\r\n\r\n`],
  ['an unknown method', (target) => `ZQCANARY ${target} HTTP/1.1\r\nHost: a\r\n\r\n`],
  ['TLS', () => '\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fczqcanary\r\n\r\n'],
  ['HTTP/2', () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ['20 KB of headers', (target) => `GET ${target} HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`],
  ['20 KB of small headers', (target) => `GET ${target} HTTP/1.1\r\nHost: a\r\n${'X: zqcanary\r\n'.repeat(1_600)}\r\n`],
  ['an address that is absolute', (target) => `GET http://zqcanary${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`],
  ['the address *', () => 'OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'],
] // prettier-ignore

/** Generates bytes that no HTTP client sends; each request has a connection of its own. */
export function malformed(operations: readonly Operation[]): fc.Arbitrary<FuzzRequest> {
  return fc
    .tuple(fc.constantFrom(...operations), fc.constantFrom(...MALFORMED))
    .map(([{ path }, [what, bytes]]) => {
      const target = path.replaceAll(/\{\w+\}/g, 'IBM')
      const body = bytes(target)
      const method = body.split(' ', 1)[0] ?? ''
      return { kind: 'malformed', what, expect: 'documented', method, target, headers: {}, body }
    })
}
