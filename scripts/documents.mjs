// Checks that the documents name only what exists: files, headings, folders, commands, tests and scenarios of the fault suite.
// Each complaint has its file and line. CONTRIBUTING.md says how a document names a test.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, join, normalize } from 'node:path'

/** The most lines that README.md may have, since people read only a short one whole. */
const README_LINES = 130

/** Commands of pnpm itself, which no package.json has as a script. */
const OWN_COMMANDS = new Set(['add', 'dlx', 'exec', 'install', 'why'])
/** Folders that programs make: a clone lacks them, so a document may name files in them that are not there. */
const MADE = new Set(['.git', '.stockpile', '.turbo', 'dist', 'node_modules'])
/** The number of the soak, which is a scenario without a file below test/faults/scenarios. */
const SOAK = 40
/** The document that says of each scenario what happens then. */
const SCENARIOS_IN = 'docs/failures.md'

const files = []
const folders = new Set()
const walk = (folder) => {
  for (const entry of readdirSync(folder === '' ? '.' : folder, { withFileTypes: true })) {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`
    if (!entry.isDirectory()) files.push(path)
    else if (!MADE.has(entry.name)) {
      folders.add(path)
      walk(path)
    }
  }
}
walk('')

const isDocument = (path) =>
  /^(README|CONTRIBUTING|CHANGELOG)\.md$/.test(path) || (path.startsWith('docs/') && path.endsWith('.md'))
const documents = files.filter(isDocument)
const packages = new Map(
  files
    .filter((path) => basename(path) === 'package.json')
    .map((path) => JSON.parse(readFileSync(path, 'utf8')))
    .map(({ name, scripts }) => [name, new Set(Object.keys(scripts ?? {}))]),
)
const scripts = packages.get('stockpile')
const scenarios = new Set(
  files
    .filter((path) => path.startsWith('test/faults/') && path.endsWith('.ts'))
    .flatMap((path) => [...readFileSync(path, 'utf8').matchAll(/\bnumber: (\d+)/g)])
    .map(([, number]) => Number(number)),
).add(SOAK)

let complaints = 0
const complain = (path, line, what) => {
  complaints++
  console.error(`${path}:${line}: ${what}`)
}

/** Returns the lines of a document, and of each whether it is in a block of code. */
function linesOf(path) {
  let isCode = false
  return readFileSync(path, 'utf8')
    .split('\n')
    .map((text, index) => {
      const isFence = /^\s*```/.test(text)
      if (isFence) isCode = !isCode
      return { text, number: index + 1, isCode: isCode || isFence }
    })
}

/** Returns the anchors that GitHub makes of a document's headings: `## On a server` is `on-a-server`, a second one `on-a-server-1`. */
function anchorsOf(path) {
  const seen = new Map()
  const anchors = new Set()
  for (const { text, isCode } of linesOf(path)) {
    for (const [, id] of text.matchAll(/<a (?:id|name)="([^"]+)"/g)) anchors.add(id)
    const [, heading] = (isCode ? null : /^#{1,6}\s+(.*?)\s*#*$/.exec(text)) ?? []
    if (heading === undefined) continue
    const slug = heading
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_ -]/gu, '')
      .replaceAll(' ', '-')
    const times = seen.get(slug) ?? 0
    seen.set(slug, times + 1)
    anchors.add(times === 0 ? slug : `${slug}-${times}`)
  }
  return anchors
}

/** Returns what is wrong with the target of a link; undefined for a good link, and for one that leads out of the repository. */
function wrongLink(document, target) {
  if (/^[a-z][a-z+.-]*:/i.test(target)) return undefined
  const [path, anchor] = target.split('#')
  const file = path === '' ? document : normalize(join(dirname(document), decodeURIComponent(path)))
  if (!existsSync(file)) return `the link ${target} leads to ${file}, which does not exist`
  if (anchor === undefined || statSync(file).isDirectory()) return undefined
  if (!file.endsWith('.md')) return /^L\d+(-L\d+)?$/.test(anchor) ? undefined : `${file} has no headings`
  return anchorsOf(file).has(anchor) ? undefined : `${file} has no heading #${anchor}`
}

/** Returns the source of a built file, since a fresh clone lacks the build: `apps/api/src/main.ts` for `apps/api/dist/main.js`. */
const sourceOf = (path) => path.replace('/dist/', '/src/').replace(/(?<=\/src\/.*)\.js$/, '.ts')

/** Whether words in backticks look like a path of the repository: a file with its extension, a folder with a slash at its end, or a path from the root. */
function isPath(words) {
  if (!/^[\w.*-][\w.*/-]*$/.test(words) || !words.includes('/')) return false
  const [first] = words.split('/')
  if (MADE.has(first)) return false
  return words.endsWith('/') || /\.[a-z]+$/.test(words) || (folders.has(first) && first !== 'secrets')
}

/** Whether a path exists, from the root or below any folder, such as `quota/` or `migrations/hashes.json`. */
function exists(words) {
  const path = sourceOf(words).replace(/\/$/, '')
  if (path.includes('*')) {
    const pattern = new RegExp(`^${path.replaceAll('.', '\\.').replaceAll('*', '[^/]*')}$`)
    return files.some((one) => pattern.test(one))
  }
  if (existsSync(path)) return true
  const all = words.endsWith('/') ? [...folders] : files
  return all.some((one) => one.endsWith(`/${path}`))
}

/** Yields what is wrong with the commands in one line of code. */
function* wrongCommands(code) {
  for (const [, command] of code.matchAll(/\b(?:pnpm(?:@[\d.]+)?|npm run)\s+((?:[^\s#|;&)]+ ?)+)/g)) {
    const words = command.trim().split(' ')
    let known = scripts
    if (words[0] === '--filter') {
      known = packages.get(words[1])
      if (known === undefined) {
        yield `there is no package ${words[1]}`
        continue
      }
      words.splice(0, 2)
    }
    if (words[0] === 'run') words.shift()
    const [name] = words
    if (!/^[a-z][\w:-]*$/.test(name) || OWN_COMMANDS.has(name) || known.has(name)) continue
    yield `${name} is no script of ${known === scripts ? 'package.json' : 'that package'}`
  }
  for (const [, task] of code.matchAll(/\bturbo run ([\w:-]+)/g))
    if (![...packages.values()].some((known) => known.has(task))) yield `no package has a script ${task}`
  for (const [, name] of code.matchAll(/\bnpm (start|test)\b/g))
    if (!scripts.has(name)) yield `${name} is no script of package.json`
  for (const [path] of code.matchAll(/(?<=\b(?:node|vitest run) (?:--?\S+ )*)[\w.-]+(?:\/[\w.-]+)+/g))
    if (!existsSync(sourceOf(path))) yield `there is no ${path}`
}

/** The titles of the tests and groups of each file that was read so far. */
const titles = new Map()
function titlesOf(path) {
  if (!titles.has(path)) {
    const strings = readFileSync(path, 'utf8').matchAll(
      /(['"`])((?:\\.|(?!\1)[^\\\n])*)\1\s*,\s*(?:async\b|\(|\{)/g,
    )
    titles.set(
      path,
      [...strings].map(([, , title]) => title.replaceAll(/\\(.)/g, '$1')),
    )
  }
  return titles.get(path)
}

/** Yields what is wrong with the tests that a line names: paths (a bare name is in the folder of the path before it), then a "title". */
function* wrongTests(text) {
  let folder = ''
  const named = /((?:`[^`]+\.test\.ts`(?:, | and )?)+)(?:,? ?"([^"]+)")?/g
  for (const [, list, title] of text.matchAll(named)) {
    for (const [, words] of list.matchAll(/`([^`]+)`/g)) {
      const path = words.includes('/') ? words : join(folder, words)
      folder = dirname(path)
      if (!existsSync(path)) yield `there is no test ${path}`
      else if (title !== undefined && !titlesOf(path).some((one) => one.startsWith(title)))
        yield `${path} has no test whose title begins with "${title}"`
    }
  }
}

const told = new Set()
for (const document of documents) {
  const lines = linesOf(document)
  for (const { text, number, isCode } of lines) {
    const wrong = new Set()
    const spans = isCode ? [] : [...text.matchAll(/`([^`]+)`/g)].map(([, words]) => words)
    for (const code of isCode ? [text] : spans) for (const one of wrongCommands(code)) wrong.add(one)
    if (!isCode) {
      for (const words of spans)
        if (isPath(words) && !exists(words)) wrong.add(`there is no ${words} in the repository`)
      for (const [, target] of text.replaceAll(/`[^`]*`/g, '``').matchAll(/\]\(([^)\s]+)[^)]*\)/g))
        wrong.add(wrongLink(document, target))
      for (const one of wrongTests(text)) wrong.add(one)
      for (const [, list] of text.matchAll(/\bscenarios? (\d+(?:(?:, | and )\d+)*)/gi))
        for (const one of list.split(/, | and /))
          if (!scenarios.has(Number(one))) wrong.add(`the fault suite has no scenario ${one}`)
          else if (document === SCENARIOS_IN) told.add(Number(one))
    }
    wrong.delete(undefined)
    for (const what of wrong) complain(document, number, what)
  }
  if (document === 'README.md' && lines.length - 1 > README_LINES)
    complain(
      document,
      lines.length - 1,
      `more than ${README_LINES} lines: move what is not for a first reading to docs`,
    )
}
for (const number of scenarios)
  if (!told.has(number)) complain(SCENARIOS_IN, 1, `scenario ${number} of the fault suite is in no line`)
console.log(
  `${documents.length} documents, ${complaints === 0 ? 'nothing wrong' : `${complaints} complaints`}`,
)
process.exitCode = complaints === 0 ? 0 : 1
