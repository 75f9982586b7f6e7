/** Why nothing can be stored, whatever it is: the fault of no row and of no symbol. */
export const STORAGE_CLASSES = [
  'disk_full',
  'out_of_memory',
  'read_only',
  'write_failed',
  'locked',
  'too_slow',
  'refused',
] as const
export type StorageClass = (typeof STORAGE_CLASSES)[number]

export interface StorageTrouble {
  class: StorageClass
  /** A sentence for people. */
  detail: string
}

/** What is said of each, and what a person should do. Work goes on by itself once it is done. */
const MEANINGS: Record<StorageClass, { meaning: string; advice: string }> = {
  disk_full: {
    meaning: "PostgreSQL's disk is full",
    advice: 'Free space on the volume of its data directory, or enlarge it.',
  },
  out_of_memory: {
    meaning: 'PostgreSQL is out of memory',
    advice: 'Give its machine or container more memory, or its settings less.',
  },
  read_only: {
    meaning: 'PostgreSQL takes no writes',
    advice:
      'After a failover, let DATABASE_URL name the new primary; else set default_transaction_read_only to off.',
  },
  write_failed: {
    meaning: 'PostgreSQL cannot write its files',
    advice: 'Look at its log, and at its volume: is it mounted read-only, or is a quota used up?',
  },
  locked: {
    meaning: 'Another session holds a lock that keeps rows from being stored',
    advice:
      'End the transaction of that session (a forgotten psql, a backup, a change of the table), or wait for it.',
  },
  too_slow: {
    meaning: 'PostgreSQL does not finish what is to be stored within its statement timeout',
    advice: 'Look at its load, at its disk, and for triggers of your own on financial_data.',
  },
  refused: {
    meaning: 'PostgreSQL refuses what is to be stored',
    advice:
      "Look at its log, for missing rights and for triggers of your own, and run the migration's --check, which finds what was changed.",
  },
}

export function storageAdvice(of: StorageClass): string {
  return MEANINGS[of].advice
}

/**
 * What an error of a writing statement says of the server's ability to store anything; null when it says nothing of
 * the kind: the server is away, or the statement itself is wrong.
 */
export function storageTrouble(error: unknown): StorageTrouble | null {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const code = 'code' in cause ? String(cause.code) : ''
    const found = classOf(code, cause.message)
    if (found !== null) return { class: found, detail: `${MEANINGS[found].meaning}: ${cause.message}.` }
  }
  return null
}

/** PostgreSQL's codes are five characters, of which the first two are a class. */
const SQLSTATE = /^[0-9A-Z]{5}$/

/**
 * What any other error of PostgreSQL says once no other row can be stored either: a table that is gone or damaged, a right
 * that is missing. Null for what is no error of PostgreSQL.
 */
export function storageRefusal(error: unknown): StorageTrouble | null {
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if ('code' in cause && SQLSTATE.test(String(cause.code)))
      return { class: 'refused', detail: `${MEANINGS.refused.meaning}: ${cause.message}.` }
  return null
}

/** What the server says of a file that it could not write, under codes that are shared with other things. */
const FILE_ERROR = /could not (write|extend|create|open|fsync|resize|allocate)\b/i

function classOf(code: string, message: string): StorageClass | null {
  if (code === '53100') return 'disk_full'
  if (code === '53200') return 'out_of_memory'
  if (code === '25006') return 'read_only'
  if (code === '55P03') return 'locked'
  if (code === '57014') return 'too_slow'
  if (code === '58030') return 'write_failed'
  // A volume that is mounted read-only, and a quota of the file system.
  return (code === '42501' || code === 'XX000') && FILE_ERROR.test(message) ? 'write_failed' : null
}
