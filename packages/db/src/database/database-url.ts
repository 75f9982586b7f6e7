import { userInfo } from 'node:os'
import { splitUrl, UrlError } from '@stockpile/config/url'
import { SSL_MODES, tlsOptions } from './tls-options.js'
import type { SslMode, TlsSettings } from './tls-options.js'

const SCHEMES = ['postgres', 'postgresql']
const FORM = 'user:password@127.0.0.1:5432/stockpile'
const DEFAULT_PORT = 5432
const DEFAULT_CONNECT_TIMEOUT_MS = 5_000

/** What a DATABASE_URL says. No part is left to the drivers, which would look for it in the environment (PGHOST, PGSSLMODE, …). */
export interface DatabaseAddress {
  /** A name, an address, or the folder of a Unix socket. */
  host: string
  port: number
  user: string
  /** Empty for no password. */
  password: string
  database: string
  /** Null: the connection is never encrypted. */
  tls: TlsSettings | null
  /** The startup option of a session (`-c name=value`), which a proxy may read too. */
  options: string | undefined
  connectTimeoutMs: number
  /** Names of parameters that Stockpile does not know. */
  ignored: string[]
}

/** Parameters of libpq that protect a connection. A protection that Stockpile cannot give must not be ignored. */
const PROTECTING = ['require_auth', 'requirepeer', 'sslcrl', 'sslcrldir', 'sslpassword']

/**
 * Reads a DATABASE_URL as libpq would, with libpq's defaults for user and database. No other code reads such a URL.
 * @throws UrlError for a URL that cannot be used
 */
export function parseDatabaseUrl(text: string): DatabaseAddress {
  if (/^[a-z]+:\/\/(?:[^/?#]*@)?[^/?#@]*,/.test(text))
    throw new UrlError('names several hosts: give one, that of the server to which is written')
  const { user, password, host, port, path, parameters } = splitUrl(text, SCHEMES, FORM)
  const given = new Map(parameters)
  const take = (name: string) => {
    const value = given.get(name)
    given.delete(name)
    return value
  }
  const takeOne = <Value extends string>(name: string, values: readonly Value[]) => {
    const value = take(name)
    if (value === undefined) return undefined
    const known = values.find((one) => one === value)
    if (known === undefined) throw new UrlError(`has ${name}: it takes one of ${values.join(', ')}`)
    return known
  }
  const address = {
    host: take('host') ?? host,
    port: portOf(take('port')) ?? port ?? DEFAULT_PORT,
    user: take('user') ?? user ?? accountName(),
    password: take('password') ?? password ?? '',
    database: take('dbname') ?? path,
    options: take('options'),
    connectTimeoutMs: connectTimeoutOf(take('connect_timeout')),
  }
  const isLocal = address.host.startsWith('/')
  // libpq also takes JDBC's ssl=true, as sslmode=require.
  const jdbc = given.get('ssl') === 'true' && take('ssl') !== undefined ? 'require' : undefined
  const tls = tlsOf({
    mode: takeOne('sslmode', SSL_MODES) ?? jdbc,
    rootCertificate: take('sslrootcert'),
    certificate: take('sslcert'),
    key: take('sslkey'),
    minVersion: takeOne('ssl_min_protocol_version', ['TLSv1.2', 'TLSv1.3']),
    direct: takeOne('sslnegotiation', ['postgres', 'direct']) === 'direct',
  })
  // Stockpile knows neither channel binding nor GSSAPI, so that `prefer` changes nothing and `require` cannot be kept.
  if (takeOne('channel_binding', ['disable', 'prefer', 'require']) === 'require')
    throw new UrlError(
      'has channel_binding=require, which Stockpile does not know: take channel_binding=prefer',
    )
  if (takeOne('gssencmode', ['disable', 'prefer', 'require']) === 'require')
    throw new UrlError('has gssencmode=require, which Stockpile does not know: take sslmode=verify-full')
  const protecting = PROTECTING.find((name) => given.has(name))
  if (protecting !== undefined)
    throw new UrlError(`has ${protecting}, which Stockpile does not know: leave it out`)
  return {
    ...address,
    host: address.host === '' ? 'localhost' : address.host,
    database: address.database === '' ? address.user : address.database,
    tls: isLocal ? null : tls,
    ignored: [...given.keys()],
  }
}

/** Tells what is wrong with a DATABASE_URL or the files that it names, in words that follow the variable's name; undefined when nothing is. */
export function databaseUrlProblem(text: string): string | undefined {
  try {
    const { tls, host } = parseDatabaseUrl(text)
    if (tls !== null) tlsOptions(tls, host)
    return undefined
  } catch (error) {
    if (error instanceof UrlError) return error.message
    throw error
  }
}

/** Tells which parameters of a DATABASE_URL are ignored, in a sentence; undefined when none is. */
export function databaseUrlWarning(text: string): string | undefined {
  const { ignored } = parseDatabaseUrl(text)
  if (ignored.length === 0) return undefined
  return `DATABASE_URL: ${ignored.join(', ')} ${ignored.length === 1 ? 'means' : 'mean'} nothing to Stockpile and ${ignored.length === 1 ? 'is' : 'are'} ignored.`
}

/** Whether a DATABASE_URL names its database, which otherwise has the name of the user. */
export function namesDatabase(text: string): boolean {
  const { path, parameters } = splitUrl(text, SCHEMES, FORM)
  return path !== '' || parameters.has('dbname')
}

/** Puts a password, of any characters, into a URL; it takes precedence over the URL's own. */
export function withPassword(text: string, password: string): string {
  return withParameter(text, 'password', password)
}

/** Puts a user into a URL, who takes precedence over the URL's own. The URL's password stays. */
export function withUser(text: string, user: string): string {
  return withParameter(text, 'user', user)
}

function withParameter(text: string, name: string, value: string): string {
  return `${text}${text.includes('?') ? '&' : '?'}${name}=${encodeURIComponent(value)}`
}

/** Makes the URL of another database of the server. */
export function withDatabase(text: string, database: string): string {
  const [, server = '', query = ''] = /^([^/]*\/\/[^/?]*)[^?]*(.*)$/s.exec(text) ?? []
  const rest = query
    .slice(1)
    .split('&')
    .filter((pair) => pair !== '' && !pair.startsWith('dbname='))
  return `${server}/${encodeURIComponent(database)}${rest.length === 0 ? '' : `?${rest.join('&')}`}`
}

function tlsOf(given: Omit<TlsSettings, 'mode'> & { mode: SslMode | undefined }): TlsSettings | null {
  const system = given.rootCertificate === 'system'
  const mode = given.mode ?? (system ? 'verify-full' : 'prefer')
  const rootCertificate = system ? undefined : given.rootCertificate
  if (system && mode !== 'verify-full')
    throw new UrlError('has sslrootcert=system, which takes sslmode=verify-full')
  if (mode === 'verify-ca' && rootCertificate === undefined)
    throw new UrlError(
      "has sslmode=verify-ca, which takes the file of the authority's certificate in sslrootcert",
    )
  if (given.direct && (mode === 'disable' || mode === 'allow' || mode === 'prefer'))
    throw new UrlError('has sslnegotiation=direct, which takes sslmode=require, verify-ca or verify-full')
  if (mode === 'disable') return null
  return {
    ...given,
    rootCertificate,
    // As libpq does: with a named authority, `require` checks who signed the certificate.
    mode:
      mode === 'allow' ? 'prefer' : mode === 'require' && rootCertificate !== undefined ? 'verify-ca' : mode,
  }
}

function portOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535)
    throw new UrlError('has port: it takes a number up to 65535')
  return Number(text)
}

/** Gives the default for 0 and below, for which libpq would wait for ever. */
function connectTimeoutOf(text: string | undefined): number {
  if (text === undefined) return DEFAULT_CONNECT_TIMEOUT_MS
  if (!/^-?\d{1,5}$/.test(text)) throw new UrlError('has connect_timeout: it takes whole seconds')
  return Number(text) > 0 ? Number(text) * 1_000 : DEFAULT_CONNECT_TIMEOUT_MS
}

function accountName(): string {
  try {
    return userInfo().username
  } catch {
    throw new UrlError(`names no user: it takes a URL such as ${SCHEMES[0]}://${FORM}`)
  }
}
