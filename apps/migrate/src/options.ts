import { parseArgs } from 'node:util'

export const HELP = `usage: node apps/migrate/dist/main.js [--check [--repair]]

Brings the database of DATABASE_URL to this version's schema.
  --check   instead compares the schema, and what is counted from the rows, with what they should be, and changes nothing: a
            line for each check, with what to do. Safe while everything runs. Exits with 1 when something is wrong.
  --repair  with --check: first counts totals and days anew, and makes changed functions and triggers anew.
`

export interface Options {
  check: boolean
  repair: boolean
}

/** Reads the command line; undefined when it is not understood, or asks for help. */
export function readOptions(): Options | undefined {
  try {
    const { values } = parseArgs({
      options: {
        check: { type: 'boolean', default: false },
        repair: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    })
    if (!values.help && (values.check || !values.repair)) return values
  } catch {
    // An unknown option: the caller prints the usage.
  }
  return undefined
}
