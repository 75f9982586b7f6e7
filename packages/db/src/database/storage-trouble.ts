/** Why PostgreSQL cannot store anything. The codes are stable. No class is the fault of a row or a symbol. */
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

/** Why rows cannot be stored. */
export interface StorageTrouble {
  class: StorageClass
  /** A sentence for people. */
  detail: string
}

/** What each class means, and what a person should do. Work goes on by itself afterwards. */
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

/** What a person should do about a class of trouble, in a sentence. */
export function storageAdvice(of: StorageClass): string {
  return MEANINGS[of].advice
}

/**
 * Judges by an error of a writing statement whether the server can store anything.
 * @returns the trouble; null when the error says nothing of it, since the server is away or the statement is wrong
 */
export function storageTrouble(error: unknown): StorageTrouble | null {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const code = 'code' in cause ? String(cause.code) : ''
    const found = classOf(code, cause.message)
    if (found !== null) return { class: found, detail: `${MEANINGS[found].meaning}: ${cause.message}.` }
  }
  return null
}

/** The form of PostgreSQL's error codes: five characters. */
const SQLSTATE = /^[0-9A-Z]{5}$/

/**
 * Judges any other error of PostgreSQL, when no other row can be stored either: a table is gone or damaged, or a right is
 * missing.
 * @returns null for an error that is not PostgreSQL's
 */
export function storageRefusal(error: unknown): StorageTrouble | null {
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if ('code' in cause && SQLSTATE.test(String(cause.code)))
      return { class: 'refused', detail: `${MEANINGS.refused.meaning}: ${cause.message}.` }
  return null
}

/** How the server's message begins when it could not write a file; its codes then also have other meanings. */
const FILE_ERROR = /could not (write|extend|create|open|fsync|resize|allocate)\b/i

function classOf(code: string, message: string): StorageClass | null {
  if (code === '53100') return 'disk_full'
  if (code === '53200') return 'out_of_memory'
  if (code === '25006') return 'read_only'
  if (code === '55P03') return 'locked'
  if (code === '57014') return 'too_slow'
  if (code === '58030') return 'write_failed'
  // 42501: the volume is mounted read-only. XX000: a quota of the file system is used up.
  return (code === '42501' || code === 'XX000') && FILE_ERROR.test(message) ? 'write_failed' : null
}
