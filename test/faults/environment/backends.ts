/** Where the queue is, of a system under test. */
export const BACKENDS = ['redis', 'postgres'] as const
export type Backend = (typeof BACKENDS)[number]
