/** A setting holds a URL that cannot be used. The message says what is wrong in words that follow the setting's name, without its value. */
export class UrlError extends Error {
  override readonly name = 'UrlError'
}

/** The parts of a URL. */
export interface UrlParts {
  user: string | undefined
  password: string | undefined
  /** A name, an address (IPv6 without brackets), or the folder of a socket, decoded; empty when there is none. */
  host: string
  port: number | undefined
  /** What follows the first slash after the host, decoded. */
  path: string
  /** The parameters after `?`, decoded; the last one of those that come twice. */
  parameters: ReadonlyMap<string, string>
}

const ENCODE =
  'percent-encode what is no letter, digit, - . _ or ~ in a user or password (@ is %40, / is %2F, # is %23, ? is %3F, % is %25)'

/**
 * Takes a URL apart as libpq does. `new URL` would read `u:1#ss@h` as the host `u`, and its error holds the text with the
 * password.
 * @param form an example for the message, without its scheme: `user:password@host:5432/database`
 * @throws UrlError for a URL that cannot be used
 */
export function splitUrl(text: string, schemes: readonly string[], form: string): UrlParts {
  const example = `${schemes[0]}://${form}`
  const [, scheme = '', authority = '', path = '', query = '', fragment = ''] =
    /^([a-z]+):\/\/([^/?#]*)(\/[^?#]*)?(\?[^#]*)?(#.*)?$/s.exec(text) ?? []
  if (!schemes.includes(scheme)) throw new UrlError(`takes a URL such as ${example}`)
  const [, , user, , password, place = ''] = /^((.*?)(:(.*))?@)?(.*)$/s.exec(lastAt(authority)) ?? []
  const [, bracketed, name, port] =
    /^(?:\[([\da-fA-F:.]+(?:%[\w.-]+)?)\]|([^:[\]]*))(?::(\d*))?$/.exec(place) ?? []
  const isBroken =
    (bracketed === undefined && name === undefined) ||
    fragment !== '' ||
    path.includes('@') ||
    (query.includes('@') && user === undefined) ||
    Number(port ?? 0) > 65_535
  if (isBroken) throw new UrlError(`is no URL such as ${example}: ${ENCODE}`)
  return {
    user: user === undefined || user === '' ? undefined : decode(user, example),
    password: password === undefined ? undefined : decode(password, example),
    host: bracketed ?? decode(name ?? '', example),
    port: port === undefined || port === '' ? undefined : Number(port),
    path: decode(path.slice(1), example),
    parameters: new Map(
      query
        .slice(1)
        .split('&')
        .filter((pair) => pair !== '')
        .map((pair) => {
          const [key = '', ...value] = pair.split('=')
          return [decode(key, example), decode(value.join('='), example)]
        }),
    ),
  }
}

/** Encodes each @ of an authority but the last, which ends the user and password. */
function lastAt(authority: string): string {
  const at = authority.lastIndexOf('@')
  return at < 0 ? authority : authority.slice(0, at).replaceAll('@', '%40') + authority.slice(at)
}

function decode(text: string, example: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new UrlError(`is no URL such as ${example}: ${ENCODE}`)
  }
}

/**
 * Checks a URL that another library will read: it has one of these schemes, and `new URL` can read it too.
 * @returns what is wrong, in words that follow the setting's name; undefined when nothing is
 */
export function urlProblem(text: string, schemes: readonly string[], form: string): string | undefined {
  try {
    splitUrl(text, schemes, form)
    return URL.canParse(text) ? undefined : `takes a URL such as ${schemes[0]}://${form}`
  } catch (error) {
    if (error instanceof UrlError) return error.message
    throw error
  }
}
