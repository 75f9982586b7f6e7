import { checkDatabase, repairDatabase } from './check.js'
import type { Check } from './check.js'
import type { Database } from '../database/connection.js'

/**
 * Checks the database and prints a line for each check, with what to do where something is wrong.
 * @param options.repair first makes functions and triggers anew and recounts, unless a person has to do something before
 * @returns whether nothing is wrong
 */
export async function checkAndReport(
  db: Database,
  { repair, print }: { repair: boolean; print: (line: string) => void },
): Promise<boolean> {
  let checks = await checkDatabase(db)
  const first = checks.find((check) => isWrong(check) && check.first === true)
  if (repair && first !== undefined) print(`Nothing was repaired: first do what is said of ${first.name}.`)
  else if (repair) {
    await repairDatabase(db)
    const before = checks.filter(isWrong)
    checks = await checkDatabase(db)
    const stillWrong = new Set(checks.filter(isWrong).map(({ name }) => name))
    for (const { name, found } of before) if (!stillWrong.has(name)) print(`repaired  ${name}: ${found}`)
  }
  for (const check of checks) print(lineOf(check))
  const wrong = checks.filter(isWrong).length
  print(wrong === 0 ? 'Nothing is wrong.' : `${wrong} of ${checks.length} checks found something wrong.`)
  return wrong === 0
}

const isWrong = ({ advice }: Check) => advice !== null

function lineOf({ name, found, advice }: Check): string {
  return advice === null
    ? `ok        ${name}: ${found}`
    : `WRONG     ${name}: ${found}. What to do: ${advice}.`
}
