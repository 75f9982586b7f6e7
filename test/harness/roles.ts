/** The roles of API and worker, the same in all databases of a test's server; each name is its password. */
export const PROCESS_ROLES = { api: 'stockpile_api', worker: 'stockpile_worker' } as const
export type ProcessRole = (typeof PROCESS_ROLES)[keyof typeof PROCESS_ROLES]

/** Makes an owner's URL that of a role, so that a program has the rights that it has in production. */
export function urlAs(role: ProcessRole, url: string): string {
  return Object.assign(new URL(url), { username: role, password: role }).href
}
