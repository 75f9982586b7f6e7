import { parseDatabaseUrl } from './database-url.js'
import { PreferTlsSocket } from './prefer-tls-socket.js'
import { openSocket, socketPath } from './server-socket.js'
import { SESSION_BOUNDS, SESSION_SETTINGS } from './session-settings.js'
import { tlsOptions } from './tls-options.js'

interface SessionOptions {
  /** Shown in pg_stat_activity. */
  applicationName: string
  /** Settings of this session, in addition to SESSION_SETTINGS and in place of SESSION_BOUNDS. */
  settings?: Readonly<Record<string, string>>
  /** A connection that is silent for so long is ended; undefined: never. */
  silenceMs?: number
}

/**
 * Tells postgres.js where and how to connect. Given a URL, postgres.js would split IPv6 addresses at their colons and send
 * parameters that it does not know to the server.
 * @throws UrlError for a URL that cannot be used
 */
export function postgresJsOptions(databaseUrl: string, session: SessionOptions) {
  const address = parseDatabaseUrl(databaseUrl)
  const { tls } = address
  const path = socketPath(address)
  return {
    host: address.host,
    port: address.port,
    ...(path === undefined ? {} : { path }),
    user: address.user,
    pass: () => address.password,
    database: address.database,
    ssl: tls === null ? false : tls.mode === 'prefer' ? ('prefer' as const) : tlsOptions(tls, address.host),
    sslnegotiation: tls?.direct === true ? 'direct' : null,
    connect_timeout: address.connectTimeoutMs / 1_000,
    connection: {
      application_name: session.applicationName,
      options: startOptions(address.options, { ...SESSION_BOUNDS, ...SESSION_SETTINGS, ...session.settings }),
    },
    socket: () => openSocket(address, session.silenceMs),
  }
}

/**
 * Tells `pg`, which BullMQ uses, where and how to connect, without a search path, which BullMQ sets.
 * @throws UrlError for a URL that cannot be used
 */
export function pgOptions(databaseUrl: string) {
  const address = parseDatabaseUrl(databaseUrl)
  const { tls } = address
  const { search_path: _, ...settings } = SESSION_SETTINGS
  return {
    // All of these are given, and none as '' or null, for which pg would take PGHOST, PGPASSWORD, PGSSLMODE and so on.
    host: address.host,
    port: address.port,
    user: address.user,
    password: () => address.password,
    database: address.database,
    ssl: tls === null || tls.mode === 'prefer' ? false : tlsOptions(tls, address.host),
    sslnegotiation: tls?.direct === true ? ('direct' as const) : ('postgres' as const),
    client_encoding: 'UTF8',
    replication: 'false',
    options: startOptions(address.options, { ...SESSION_BOUNDS, ...settings }),
    connectionTimeoutMillis: address.connectTimeoutMs,
    ...(tls?.mode === 'prefer' ? { stream: () => new PreferTlsSocket(tlsOptions(tls, address.host)) } : {}),
  }
}

/** Joins the URL's startup options and the settings. Of a setting that comes twice the last one counts. */
function startOptions(given: string | undefined, settings: Readonly<Record<string, string>>): string {
  const ours = Object.entries(settings).map(([name, value]) => `-c ${name}=${value.replaceAll(' ', '\\ ')}`)
  return [...(given === undefined ? [] : [given]), ...ours].join(' ')
}
