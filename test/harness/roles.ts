/** The roles of API and worker, the same in all databases of a test's server; each name is its password. */
export const PROCESS_ROLES = { api: 'stockpile_api', worker: 'stockpile_worker' } as const
export type ProcessRole = (typeof PROCESS_ROLES)[keyof typeof PROCESS_ROLES]

/** The URL of a database with the rights that a process of production has in it. */
export function urlAs(role: ProcessRole, url: string): string {
  return Object.assign(new URL(url), { username: role, password: role }).href
}
