import { parseDatabaseUrl } from './database-url.js'
import { PreferTlsSocket } from './prefer-tls-socket.js'
import { openSocket, socketPath } from './server-socket.js'
import { SESSION_BOUNDS, SESSION_SETTINGS } from './session-settings.js'
import { tlsOptions } from './tls-options.js'

interface SessionOptions {
  /** Shown in pg_stat_activity. */
  applicationName: string
  /** Of the session, besides SESSION_SETTINGS and instead of SESSION_BOUNDS. */
  settings?: Readonly<Record<string, string>>
  /** A connection on which nothing comes or goes for so long is ended; undefined: never. */
  silenceMs?: number
}

/**
 * For postgres.js: where and how to connect. A URL would not do: its own reader splits IPv6 addresses at their colons and
 * sends the parameters it does not know to the server.
 * @throws UrlError
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
 * The same for `pg`, which BullMQ uses, but for the search path: that is BullMQ's to say.
 * @throws UrlError
 */
export function pgOptions(databaseUrl: string) {
  const address = parseDatabaseUrl(databaseUrl)
  const { tls } = address
  const { search_path: _, ...settings } = SESSION_SETTINGS
  return {
    // Each of these is given, and none as '' or null, for which pg takes PGHOST, PGPASSWORD, PGSSLMODE and so on.
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

/** Of what is named twice the last counts. */
function startOptions(given: string | undefined, settings: Readonly<Record<string, string>>): string {
  const ours = Object.entries(settings).map(([name, value]) => `-c ${name}=${value.replaceAll(' ', '\\ ')}`)
  return [...(given === undefined ? [] : [given]), ...ours].join(' ')
}
