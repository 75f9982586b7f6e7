import { readFileSync } from 'node:fs'
import type { ConnectionOptions } from 'node:tls'
import { UrlError } from '@stockpile/config/url'

export const SSL_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const
export type SslMode = (typeof SSL_MODES)[number]

/** How a connection is encrypted. Files are named, not yet read. */
export interface TlsSettings {
  /**
   * `prefer`: encrypted if the server offers encryption. `allow` becomes `prefer`, since no driver tries a second time; it
   * protects no less than libpq's `allow`.
   */
  mode: Exclude<SslMode, 'disable' | 'allow'>
  /** The names of PEM files. Without `rootCertificate` the authorities that Node knows judge a server. */
  rootCertificate: string | undefined
  certificate: string | undefined
  key: string | undefined
  minVersion: 'TLSv1.2' | 'TLSv1.3' | undefined
  /** Whether TLS begins without asking first if the server offers it, which takes PostgreSQL 17 or later. */
  direct: boolean
}

/**
 * Translates a mode of libpq to Node's options: `prefer` and `require` accept any certificate, `verify-ca` checks who signed
 * it, `verify-full` checks the server's name in it too. Reads the files.
 * @throws UrlError when a file cannot be read
 */
export function tlsOptions(tls: TlsSettings, host: string): ConnectionOptions {
  return {
    // For a host that is an address no name is sent, and without `host` Node would look for `localhost` in the certificate.
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
