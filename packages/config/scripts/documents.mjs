// Writes what the table of variables says into the documents: the table of docs/configuration.md and all of .env.example.
// With --check it writes nothing, and fails when one of the two is not what it would write.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PROGRAMS, variablesOf } from '../dist/programs.js'
import { factsOf, VARIABLE_NAMES } from '../dist/variables.js'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const MARKER = '<!-- variables -->'
const WIDTH = 118
/** The sections of .env.example, by their first variable. */
const SECTIONS = {
  ALPHAVANTAGE_API_KEY: 'The provider',
  SYMBOLS: 'What is fetched',
  PORT: 'The API, the queue, and what is logged',
  DATABASE_URL:
    'Of npm start alone, and of programs that are started by hand: docker-compose.yml sets these itself',
  POSTGRES_PASSWORD: 'Of docker compose alone',
}
const HEADER = `# What docker compose and \`npm start\` take from a file .env in this folder. Copy this one, and set what you need: a line
# that stays a comment leaves the default. It shows the default, or an example where there is none. A variable that the
# shell has goes before the file's. Between single quotes a value may have any characters but '; without them a $, or a #
# after a space, cuts it short. docs/configuration.md has the table of these variables; \`pnpm variables\` writes both.
`

/** What a variable is for and what it takes, in sentences. */
function words(name) {
  const { about, takes } = factsOf(name)
  return takes === undefined ? about : `${about} It ${takes}.`
}

function readers(name) {
  const programs = Object.keys(PROGRAMS).filter((program) => variablesOf(program).includes(name))
  const { envFile } = factsOf(name)
  return [...programs, ...envFile.filter((reader) => !programs.includes(reader))].join(', ')
}

function row(name) {
  const { default: text, unset = '', isSecret } = factsOf(name)
  const value = text === undefined ? unset : `\`${text}\``
  const linked = words(name).replaceAll(/docs\/(\S+?\/(\w+)\.md)/g, '[$2]($1)')
  return `| \`${name}\` | ${value} | ${readers(name)} | ${linked}${isSecret ? ' A secret.' : ''} |`
}

function table() {
  const rows = VARIABLE_NAMES.map(row)
  return [
    '| variable | default | read by | what for, and what it takes |',
    '|---|---|---|---|',
    ...rows,
  ].join('\n')
}

/** The text in lines of a comment, broken between words. */
function comment(text) {
  const lines = ['']
  for (const word of text.split(' ')) {
    const line = lines.at(-1)
    if (line === '') lines[lines.length - 1] = word
    else if (line.length + word.length < WIDTH) lines[lines.length - 1] = `${line} ${word}`
    else lines.push(word)
  }
  return lines.map((line) => `# ${line}\n`).join('')
}

function example() {
  const entries = VARIABLE_NAMES.filter((name) => factsOf(name).envFile.length > 0).map((name) => {
    const { default: text, shown = '' } = factsOf(name)
    const section = SECTIONS[name] === undefined ? '' : `# --- ${SECTIONS[name]}\n\n`
    return `${section}${comment(words(name))}#${name}=${text ?? shown}\n`
  })
  return [HEADER, ...entries].join('\n')
}

/** The document with this table behind the marker, in place of the one that is there. */
function withTable(document) {
  const [before, after] = document.split(`${MARKER}\n`)
  if (after === undefined) throw new Error(`docs/configuration.md has no ${MARKER}`)
  return `${before}${MARKER}\n${table()}\n${after.replace(/^(?:\|.*\n)*/, '')}`
}

const written = {
  'docs/configuration.md': withTable,
  '.env.example': example,
}
for (const [file, write] of Object.entries(written)) {
  const path = join(ROOT, file)
  const present = readFileSync(path, 'utf8')
  const wanted = write(present)
  if (wanted === present) continue
  if (process.argv.includes('--check')) {
    console.error(`${file} is not what the table of variables says: pnpm variables writes it`)
    process.exitCode = 1
  } else {
    writeFileSync(path, wanted)
    console.log(`wrote ${file}`)
  }
}
