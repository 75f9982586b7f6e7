/** Returns as many symbols as `count` says: SYM0, SYM1, … */
export function symbols(count: number, name = 'SYM'): string[] {
  return Array.from({ length: count }, (_, index) => `${name}${index}`)
}
