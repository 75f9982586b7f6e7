import { urlProblem } from '@stockpile/config/url'
import fc from 'fast-check'
import { userInfo } from 'node:os'
import { expect, test } from 'vitest'
import {
  databaseUrlProblem,
  databaseUrlWarning,
  parseDatabaseUrl,
  withDatabase,
} from '../../src/database/database-url.js'

const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 })

test('any user, password and database comes out as it went in, percent-encoded', () => {
  fc.assert(
    fc.property(text, text, text, fc.integer({ min: 1, max: 65_535 }), (user, password, database, port) => {
      const url = `postgres://${[user, password].map(encodeURIComponent).join(':')}@db.example:${port}/${encodeURIComponent(database)}`
      expect(parseDatabaseUrl(url)).toMatchObject({ user, password, host: 'db.example', port, database })
      expect(parseDatabaseUrl(withDatabase(url, password))).toMatchObject({
        user,
        password,
        database: password,
      })
    }),
  )
})

test('no text makes it throw, and no message repeats a password', () => {
  const secret = 'CANARY'
  fc.assert(
    fc.property(fc.string(), fc.string(), (before, after) => {
      const url = `postgres://user:${before}${secret}${after}@host/db`
      expect(databaseUrlProblem(url) ?? '').not.toContain(secret)
      expect(urlProblem(url.replace('postgres', 'redis'), ['redis'], 'host') ?? '').not.toContain(secret)
    }),
    {
      examples: [
        ['p#', '@w/rd%'],
        ['p/', ''],
        ['12?', ''],
        ['', '#'],
        [':', ':'],
      ],
    },
  )
})

test.each([
  'postgres://odd:p#ss@w/rd%@host/db',
  'postgres://odd:12#ss@host/db',
  'postgres://odd:12/ss@host/db',
  'postgres://odd:12?ss@host/db',
  'postgres://odd:rd%@host/db',
  'postgres://odd:pa:ss@[::1/db',
  'postgres://odd:secret@host:99999/db',
])('what a password would have to encode is named: %s', (url) => {
  expect(databaseUrlProblem(url)).toMatch(/percent-encode/)
})

test.each([
  ['postgres://u:p@[::1]:5433/d', { host: '::1', port: 5433 }],
  ['postgresql://u:p@[fe80::1%eth0]/d', { host: 'fe80::1%eth0', port: 5432 }],
  ['postgres://u:p@ss@host/d', { password: 'p@ss', host: 'host' }],
  ['postgres://u@host', { password: '', database: 'u' }],
  ['postgres:///d', { host: 'localhost', user: userInfo().username }],
  [
    'postgres://u:p@/d?host=/var/run/postgresql&port=5433',
    { host: '/var/run/postgresql', port: 5433, tls: null },
  ],
  ['postgres://u:p@%2Fvar%2Frun%2Fpostgresql/d', { host: '/var/run/postgresql', tls: null }],
  ['postgres://h/x?user=a%40b&password=p&dbname=d', { user: 'a@b', password: 'p', database: 'd' }],
  [
    'postgres://h/d?connect_timeout=20&options=endpoint%3Dep-1',
    { connectTimeoutMs: 20_000, options: 'endpoint=ep-1' },
  ],
  ['postgres://h/d', { connectTimeoutMs: 5_000, options: undefined }],
  ['postgres://h/d?ssl=true', { tls: { mode: 'require' } }],
  ['postgres://h/d?sslrootcert=system', { tls: { mode: 'verify-full' } }],
])('is read as libpq reads it: %s', (url, address) => {
  expect(parseDatabaseUrl(url)).toMatchObject(address)
})

test.each([
  ['postgres://a:1,b:2/d', /several hosts/],
  ['postgres://a,b/d', /several hosts/],
  [
    'postgres://h/d?sslmode=no-verify',
    /sslmode: it takes one of disable, allow, prefer, require, verify-ca, verify-full/,
  ],
  ['postgres://h/d?sslmode=verify-ca', /sslrootcert/],
  [
    'postgres://h/d?sslmode=verify-full&sslrootcert=/nowhere.pem',
    /sslrootcert, whose file \/nowhere.pem cannot be read \(ENOENT\)/,
  ],
  ['postgres://h/d?sslmode=require&sslrootcert=system', /verify-full/],
  ['postgres://h/d?sslnegotiation=direct', /sslmode=require/],
  ['postgres://h/d?channel_binding=require', /channel_binding=prefer/],
  ['postgres://h/d?require_auth=scram-sha-256', /require_auth/],
  ['postgres://h/d?port=x', /port/],
  ['mysql://h/d', /takes a URL such as postgres:/],
  ['host=h dbname=d', /takes a URL such as postgres:/],
])('is refused, saying why: %s', (url, problem) => {
  expect(databaseUrlProblem(url)).toMatch(problem)
})

test('parameters of other tools are ignored by name, those of libpq that are kept are not', () => {
  expect(
    databaseUrlWarning(
      'postgres://h/d?pgbouncer=true&schema=x&sslmode=disable&channel_binding=prefer&connection_limit=1',
    ),
  ).toBe('DATABASE_URL: pgbouncer, schema, connection_limit mean nothing to Stockpile and are ignored.')
  expect(databaseUrlWarning('postgres://h/d?application_name=x')).toContain('application_name means nothing')
  expect(databaseUrlWarning('postgres://h/d')).toBeUndefined()
})
