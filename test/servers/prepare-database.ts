import { pgOptions } from '@stockpile/db/driver-options'
import { migrate } from '@stockpile/db/migrate'
import { prepareRoles } from '@stockpile/db/roles'
import { migrateQueue, QUEUE_SCHEMA } from '@stockpile/queue/backend'
import { PROCESS_ROLES } from '@stockpile/test-harness/roles'

/**
 * Gives an empty database what the programs need: the schema, the queue's tables and the programs' roles.
 * @param ownerUrl connects as the owner of the tables
 * @param adminUrl connects as a superuser, who may create roles
 */
export async function prepareDatabase(ownerUrl: string, adminUrl = ownerUrl): Promise<void> {
  await migrate(ownerUrl)
  await migrateQueue(pgOptions(ownerUrl))
  await prepareRoles(adminUrl, { roles: PROCESS_ROLES, passwords: PROCESS_ROLES, queueSchema: QUEUE_SCHEMA })
}
