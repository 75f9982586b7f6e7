/** Where the queue of a system under test is. */
export const BACKENDS = ['redis', 'postgres'] as const
export type Backend = (typeof BACKENDS)[number]
