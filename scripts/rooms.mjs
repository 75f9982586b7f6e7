// Checks that the folders of each workspace import downwards only: no circle among the folders and loose files of a `src`, of
// test/faults and of bench, types included. With --list it prints every arrow. CONTRIBUTING.md says why.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'

const IMPORT = /(?:from|import)\s*\(?\s*'(\.[^']+)'/g

/** The room of a file below `source`: its first folder, or the file itself. */
function roomOf(source, file) {
  const [first, ...rest] = relative(source, file).split('/')
  return rest.length === 0 ? first : `${first}/`
}

/** Maps each room to the rooms that it imports, with one pair of files as proof: `{ 'item/': { 'quota/': 'item/fetch.ts → quota/quota.ts' } }`. */
function arrowsOf(source) {
  const arrows = {}
  for (const name of readdirSync(source, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.ts') || name.startsWith('node_modules/')) continue
    const file = join(source, name)
    const from = roomOf(source, file)
    arrows[from] ??= {}
    for (const [, specifier] of readFileSync(file, 'utf8').matchAll(IMPORT)) {
      const target = normalize(join(dirname(file), specifier)).replace(/\.js$/, '.ts')
      const to = roomOf(source, target)
      if (to !== from && !to.startsWith('..')) arrows[from][to] ??= `${name} → ${relative(source, target)}`
    }
  }
  return arrows
}

/** The rooms of one circle, which ends with its first room; undefined where there is no circle. */
function circleIn(arrows) {
  const done = new Set()
  const visit = (room, path) => {
    if (path.includes(room)) return [...path.slice(path.indexOf(room)), room]
    if (done.has(room)) return undefined
    for (const next of Object.keys(arrows[room] ?? {})) {
      const circle = visit(next, [...path, room])
      if (circle !== undefined) return circle
    }
    done.add(room)
    return undefined
  }
  for (const room of Object.keys(arrows)) {
    const circle = visit(room, [])
    if (circle !== undefined) return circle
  }
  return undefined
}

const workspaces = ['apps', 'packages'].flatMap((group) =>
  readdirSync(group).map((workspace) => `${group}/${workspace}/src`),
)
for (const source of [...workspaces.filter((path) => existsSync(path)), 'test/faults', 'bench']) {
  const arrows = arrowsOf(source)
  const list = Object.entries(arrows).flatMap(([from, to]) =>
    Object.keys(to).map((one) => `${from} → ${one}`),
  )
  if (process.argv.includes('--list'))
    console.log(
      `${source}: ${Object.keys(arrows).length} rooms, ${list.length} arrows\n  ${list.join('\n  ')}`,
    )
  const circle = circleIn(arrows)
  if (circle === undefined) continue
  process.exitCode = 1
  console.error(`${source}: ${circle.join(' → ')} is a circle:`)
  for (const [index, room] of circle.slice(0, -1).entries())
    console.error(`  ${arrows[room][circle[index + 1]]}`)
}
