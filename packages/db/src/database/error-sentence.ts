/** An error whose message is a sentence for the person who runs the program, and says what to do. */
export class SentenceError extends Error {}

/** What PostgreSQL, a driver or the operating system said of an error. */
interface Reported {
  message: string
  /** PostgreSQL's DETAIL; empty when there is none. */
  detail: string
  code: string
  /** The address and port that were tried; empty when they are not known. */
  place: string
  /** The host name that was looked up; empty when it is not known. */
  host: string
}

type Sentence = (said: Reported) => string

const COMPOSE = 'with Docker Compose a volume keeps the password that POSTGRES_PASSWORD was when it was made'
const untrusted: Sentence = ({ message }) =>
  `PostgreSQL's certificate is not trusted (${message}): name the file of its authority's certificate as sslrootcert in DATABASE_URL, or encrypt without looking at it by sslmode=require.`
const unreachable: Sentence = ({ place, code }) =>
  `There is no way to PostgreSQL${place === '' ? '' : ` at ${place}`} (${code}): check DATABASE_URL and the network.`
const silent: Sentence = ({ place }) =>
  `PostgreSQL${place === '' ? '' : ` at ${place}`} does not answer in time: check DATABASE_URL, that the server runs, and firewalls on the way.`
const lost: Sentence = () => 'The connection to PostgreSQL was lost: it ended, or something on the way did.'

/** Sentences by the beginning of a code, which is a SQLSTATE, an error of a system call or one of a driver. The first that fits is taken. */
const SENTENCES: readonly (readonly [code: string, sentence: Sentence])[] = [
  [
    '28P01',
    ({ message }) => `PostgreSQL: ${message}. Correct user and password in DATABASE_URL; ${COMPOSE}.`,
  ],
  [
    '28',
    ({ message }) =>
      `PostgreSQL lets this user not in: ${message}. Correct the user in DATABASE_URL, or allow it in the server's pg_hba.conf.`,
  ],
  [
    '3D000',
    ({ message }) =>
      `PostgreSQL: ${message}. Create it with CREATE DATABASE, or correct its name in DATABASE_URL.`,
  ],
  [
    '42501',
    ({ message }) => `PostgreSQL: ${message}. Grant it to the user of DATABASE_URL, or take one who may.`,
  ],
  [
    '53300',
    ({ message }) =>
      `PostgreSQL has no connection left (${message}): raise max_connections, or run fewer workers or with a lower WORKER_CONCURRENCY.`,
  ],
  [
    '53100',
    ({ message }) => `PostgreSQL's disk is full (${message}): make room; work then goes on by itself.`,
  ],
  [
    '42P07',
    ({ message }) =>
      `The database already has a table that Stockpile did not make (${message}): give Stockpile a database of its own.`,
  ],
  [
    '2BP01',
    ({ message, detail }) =>
      `Something that was made beside Stockpile's schema uses part of it (${detail.replaceAll('\n', '; ') || message}): drop that, and make it anew afterwards.`,
  ],
  ['53200', ({ message }) => `PostgreSQL is out of memory (${message}).`],
  ['25006', () => 'PostgreSQL is read-only: it is a standby, or somebody set default_transaction_read_only.'],
  ['57P03', ({ message }) => `PostgreSQL takes no connections yet: ${message}.`],
  ['57P', ({ message }) => `PostgreSQL ended the connection: ${message}.`],
  ['57014', ({ message }) => `PostgreSQL ended a statement that took too long: ${message}.`],
  [
    '08P01',
    ({ message }) =>
      message.includes('startup parameter')
        ? `Before PostgreSQL is a connection pooler that does not pass on what a session needs (${message}): give DATABASE_URL a direct connection.`
        : `PostgreSQL: ${message}. Check that DATABASE_URL names a PostgreSQL server.`,
  ],
  [
    'TLS_NOT_OFFERED',
    () =>
      'PostgreSQL offers no encryption, which sslmode in DATABASE_URL asks for: set it up at the server, or take sslmode=prefer.',
  ],
  [
    'ENOTFOUND',
    ({ host }) =>
      `The host ${host} is unknown: correct DATABASE_URL${host === 'postgres' ? ', which names the server of Docker Compose' : ''}.`,
  ],
  ['EAI_', ({ host }) => `The host ${host} could not be looked up: check DATABASE_URL and the name server.`],
  [
    'ECONNREFUSED',
    ({ place }) =>
      `No PostgreSQL listens${place === '' ? '' : ` at ${place}`}: start it, or correct host and port in DATABASE_URL.`,
  ],
  [
    'ENOENT',
    ({ place }) => `There is no PostgreSQL's socket ${place}: start it, or correct the host in DATABASE_URL.`,
  ],
  [
    'EACCES',
    ({ place }) =>
      `The socket ${place} is closed to this user: correct the host in DATABASE_URL, or its rights.`,
  ],
  ['CONNECT_TIMEOUT', silent],
  ['ETIMEDOUT', silent],
  ['EHOSTUNREACH', unreachable],
  ['ENETUNREACH', unreachable],
  ['EADDRNOTAVAIL', unreachable],
  ['ECONNRESET', lost],
  ['EPIPE', lost],
  ['CONNECTION_', lost],
  [
    'ERR_TLS_CERT_ALTNAME_INVALID',
    ({ message }) =>
      `PostgreSQL's certificate is for another name (${message}): correct the host in DATABASE_URL, or take sslmode=verify-ca.`,
  ],
  ['CERT_HAS_EXPIRED', () => "PostgreSQL's certificate has expired: renew it at the server."],
  ['CERT_', untrusted],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', untrusted],
  ['SELF_SIGNED_CERT_IN_CHAIN', untrusted],
  ['UNABLE_TO_', untrusted],
  ['ERR_SSL_', ({ message }) => `The encryption with PostgreSQL failed: ${message.trim()}.`],
  ['ERR_OSSL_', ({ message }) => `The certificates named in DATABASE_URL cannot be used: ${message.trim()}.`],
  [
    'SASL_SIGNATURE_MISMATCH',
    () =>
      'The server does not know the password that it asks for: it is not the PostgreSQL that DATABASE_URL means.',
  ],
]

/** Codes for errors of `pg` that have none. */
const BY_MESSAGE: readonly (readonly [message: RegExp, code: string])[] = [
  [/does not support SSL/, 'TLS_NOT_OFFERED'],
  [/^(timeout expired|timeout exceeded|Query read timeout)/, 'CONNECT_TIMEOUT'],
  [/^Connection terminated/, 'CONNECTION_CLOSED'],
  [/client password must be a (non-empty )?string/, '28P01'],
]

/**
 * Puts an error of PostgreSQL, a driver or the network, or a SentenceError, into one line for the person who runs the
 * program: the deepest cause first, then what to do. The line holds no statement, no parameter and no password. Every
 * program tells its errors so: `console.error(errorSentence(error) ?? error)`.
 * @returns undefined for any other error, which is a defect whose stack counts
 */
export function errorSentence(error: unknown): string | undefined {
  if (error instanceof SentenceError) return error.message
  const cause = deepestCause(error)
  if (cause === undefined) return undefined
  const said = report(cause)
  const [, sentence] = SENTENCES.find(([code]) => said.code.startsWith(code)) ?? []
  if (sentence !== undefined) return sentence(said)
  return isSqlState(cause) ? `PostgreSQL: ${said.message} (${said.code}).` : undefined
}

/** Finds the error at the root of others: drizzle's error repeats the statement, and an AggregateError has an error for each address. */
export function deepestCause(error: unknown): Error | undefined {
  let deepest: Error | undefined
  for (let cause = error; cause instanceof Error && cause !== deepest;) {
    deepest = cause
    cause = cause instanceof AggregateError ? (cause.errors[0] ?? cause.cause) : cause.cause
  }
  return deepest
}

function report(error: Error): Reported {
  const text = (name: string) => {
    const value: unknown = Reflect.get(error, name)
    return typeof value === 'string' || typeof value === 'number' ? String(value) : ''
  }
  const address = text('address')
  const port = text('port')
  const bracketed = address.includes(':') ? `[${address}]` : address
  const [, code] = BY_MESSAGE.find(([message]) => message.test(error.message)) ?? []
  return {
    message: error.message,
    detail: text('detail'),
    code: text('code') || (code ?? ''),
    place: port === '' ? address : `${bracketed}:${port}`,
    host: text('hostname'),
  }
}

/** Whether an error's code is a SQLSTATE: the errors of both drivers have a severity then. */
function isSqlState(error: Error): boolean {
  return 'severity' in error && 'code' in error
}
