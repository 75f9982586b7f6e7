import { readFileSync } from 'node:fs'
import type { ConnectionOptions } from 'node:tls'
import { UrlError } from './url.js'

export const SSL_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const
export type SslMode = (typeof SSL_MODES)[number]

/** How a connection is encrypted. Files are named, not yet read. */
export interface TlsSettings {
  /**
   * `prefer`: where the server offers it. `allow` is the same here, since no driver asks a second time: it never protects
   * less than libpq's.
   */
  mode: Exclude<SslMode, 'disable' | 'allow'>
  /** PEM files. Without `rootCertificate` a server is judged by the authorities that Node knows. */
  rootCertificate: string | undefined
  certificate: string | undefined
  key: string | undefined
  minVersion: 'TLSv1.2' | 'TLSv1.3' | undefined
  /** Without asking first whether the server can: it must be PostgreSQL 17 or later. */
  direct: boolean
}

/**
 * What a mode of libpq is to Node: `prefer` and `require` look at no certificate, `verify-ca` at who signed it,
 * `verify-full` at the server's name in it too.
 * @throws UrlError when a file cannot be read
 */
export function tlsOptions(tls: TlsSettings, host: string): ConnectionOptions {
  return {
    // Of a host that is an address no name is sent, and Node would look for `localhost` in the certificate.
    host,
    ...(tls.mode === 'verify-full' ? {} : { checkServerIdentity: () => undefined }),
    rejectUnauthorized: tls.mode === 'verify-full' || tls.mode === 'verify-ca',
    ...(tls.rootCertificate === undefined ? {} : { ca: read('sslrootcert', tls.rootCertificate) }),
    ...(tls.certificate === undefined ? {} : { cert: read('sslcert', tls.certificate) }),
    ...(tls.key === undefined ? {} : { key: read('sslkey', tls.key) }),
    ...(tls.minVersion === undefined ? {} : { minVersion: tls.minVersion }),
  }
}

function read(parameter: string, file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
    throw new UrlError(`has ${parameter}, whose file ${file} cannot be read (${code})`)
  }
}
