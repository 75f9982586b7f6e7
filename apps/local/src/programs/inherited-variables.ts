import type { Variables } from '@stockpile/config/programs'

/**
 * What any program needs of the system on which it runs: where things are, the language, certificates and proxies, and what
 * configures Node and the loader. Names are compared without case, as Windows does.
 */
const NEEDED = new RegExp(
  `^(?:${[
    'path|home|user|logname|shell|lang|language|lc_.+|tz|tmpdir|temp|tmp',
    'node_.+|uv_.+|ld_.+|dyld_.+|malloc_.+',
    'ssl_cert_file|ssl_cert_dir|(?:https?|no|all)_proxy',
    'systemroot|systemdrive|windir|comspec|pathext|appdata|localappdata|programdata|userprofile',
  ].join('|')})$`,
  'i',
)

/** The variables that each program inherits. Those of PostgreSQL's clients (PG*) are for a server of DATABASE_URL only. */
export function inheritedVariables(environment: Variables, { embedded }: { embedded: boolean }): Variables {
  return Object.fromEntries(
    Object.entries(environment).filter(([name]) => NEEDED.test(name) || (!embedded && name.startsWith('PG'))),
  )
}
