import { given, sound } from '@stockpile/config/fields'
import { PROGRAMS, type Variables } from '@stockpile/config/programs'
import { type IsSet, readVariables } from '@stockpile/config/read'
import { databaseUrlProblem, withPassword } from '@stockpile/db/database-url'

const schema = PROGRAMS.migrate.extend({ DATABASE_URL: given(sound(databaseUrlProblem)) })

export interface Config {
  /** The URL of the database as its owner, with the password. */
  databaseUrl: string
  /** The passwords of the roles as which API and worker connect; undefined: no role is made. */
  rolePasswords: Record<'api' | 'worker', string> | undefined
}

/** @throws ConfigError that names every wrong variable, with what it takes */
export function parseConfig(environment: Variables): Config {
  const variables = readVariables(schema, environment, { rules: rolesTogether })
  const { API_DATABASE_PASSWORD: api, WORKER_DATABASE_PASSWORD: worker } = variables
  return {
    databaseUrl:
      variables.DATABASE_PASSWORD === undefined
        ? variables.DATABASE_URL
        : withPassword(variables.DATABASE_URL, variables.DATABASE_PASSWORD),
    rolePasswords: api === undefined || worker === undefined ? undefined : { api, worker },
  }
}

function rolesTogether(isSet: IsSet) {
  return isSet('API_DATABASE_PASSWORD') === isSet('WORKER_DATABASE_PASSWORD')
    ? {}
    : { API_DATABASE_PASSWORD: 'and WORKER_DATABASE_PASSWORD go together: set both, or neither' }
}
