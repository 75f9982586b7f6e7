// Installs with the pinned pnpm and builds, before `npm start`, `npm test`, `npm run backup` and `npm run restore`. It imports
// nothing but Node, since nothing is installed yet.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { constants, homedir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const stampFile = join(root, 'node_modules', '.stockpile-setup.json')
const windows = process.platform === 'win32'
const { packageManager, engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

// The variables that npx, pnpm and turbo, and the scripts of packages that they run, need of a system. Stockpile's own
// variables and secrets are not among them, but npm's are. Windows spells some in another case.
const HANDED_ON = new RegExp(
  `^(?:${[
    'path|home|user|username|logname|shell|lang|language|lc_.+|tz|term|tmpdir|temp|tmp|ci|no_color|force_color',
    'xdg_.+|npm_config_.+|pnpm_home|corepack_.+|node_options|node_extra_ca_certs',
    '(?:https?|no|all)_proxy|ssl_cert_file|ssl_cert_dir|nix_ssl_cert_file',
    'systemroot|systemdrive|windir|comspec|pathext|appdata|localappdata|programdata|programfiles.*|userprofile|homedrive|homepath',
  ].join('|')})$`,
  'i',
)
const ofNpmrc = namesInNpmrc()

const env = {
  ...Object.fromEntries(
    Object.entries(process.env).filter(([name]) => HANDED_ON.test(name) || ofNpmrc.has(name)),
  ),
  TURBO_TELEMETRY_DISABLED: '1',
  TURBO_NO_UPDATE_NOTIFIER: '1',
  DO_NOT_TRACK: '1',
  npm_config_loglevel: 'error',
  npm_config_update_notifier: 'false',
  npm_config_audit: 'false',
  npm_config_fund: 'false',
  npm_config_prefer_offline: 'true',
}
// With NODE_ENV=production pnpm would leave out the tools that build.
delete env.NODE_ENV

const INTERRUPT_DEADLINE_MS = 5_000
let running
let interrupted
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    interrupted = 128 + constants.signals[signal]
    if (running === undefined) process.exit(interrupted)
    // This process waits for its child, so that nothing runs on. A terminal's Ctrl-C reaches the child too.
    running.kill(signal)
    setTimeout(() => running?.kill('SIGKILL'), INTERRUPT_DEADLINE_MS).unref()
  })
}

/** Runs a command to its end and returns its output. When the command fails, the output is printed and this process ends. */
async function run(what, command, args, path = '') {
  const child = spawn(command, args, {
    cwd: root,
    env: path === '' ? env : { ...env, [pathName()]: `${path}${delimiter}${process.env[pathName()] ?? ''}` },
    stdio: ['ignore', 'pipe', 'pipe'],
    // Windows starts a file such as npx.cmd only through its shell.
    shell: windows,
  })
  running = child
  const chunks = []
  child.stdout.on('data', (chunk) => chunks.push(chunk))
  child.stderr.on('data', (chunk) => chunks.push(chunk))
  const outcome = await new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('close', (code, signal) => resolve(signal ?? code))
  })
  running = undefined
  if (interrupted !== undefined) process.exit(interrupted)
  const output = Buffer.concat(chunks).toString('utf8')
  if (outcome !== 0) {
    process.stderr.write(`${output}\n`)
    fail(`${what} failed (${outcome}): what it printed is above.`)
  }
  return output
}

/** Variables that npm's own settings refer to as ${NAME}, such as the token of a registry. */
function namesInNpmrc() {
  const files = [process.env.npm_config_userconfig ?? join(homedir(), '.npmrc'), join(root, '.npmrc')]
  const texts = files.map((file) => {
    try {
      return readFileSync(file, 'utf8')
    } catch {
      return ''
    }
  })
  return new Set([...texts.join('\n').matchAll(/\$\{(\w+)[^}]*\}/g)].map(([, name]) => name))
}

function fail(message) {
  console.error(`stockpile: ${message}`)
  process.exit(1)
}

/** The name of the variable PATH, which Windows spells Path. */
function pathName() {
  return Object.keys(process.env).find((name) => name.toUpperCase() === 'PATH') ?? 'PATH'
}

function checkNode() {
  const [major, minor] = engines.node.replace('>=', '').split('.').map(Number)
  const [haveMajor, haveMinor] = process.versions.node.split('.').map(Number)
  if (haveMajor > major || (haveMajor === major && haveMinor >= minor)) return
  fail(
    `this needs Node ${engines.node} and this is ${process.versions.node}: install a newer one from nodejs.org.`,
  )
}

/** The folders of the workspace's packages, by the list in pnpm-workspace.yaml. */
function packageFolders(workspace) {
  const [, list = ''] = /^packages:\n((?: +- .*\n)+)/m.exec(workspace) ?? []
  const patterns = [...list.matchAll(/- ["']?([^"'\n]+)/g)].map(([, pattern]) => pattern)
  return patterns
    .flatMap((pattern) =>
      pattern.endsWith('/*')
        ? readdirSync(join(root, pattern.slice(0, -2))).map((name) => `${pattern.slice(0, -1)}${name}`)
        : [pattern],
    )
    .filter((folder) => existsSync(join(root, folder, 'package.json')))
}

/** A hash that changes whenever `pnpm install` could have something to do; undefined when a dependency is missing. */
function installState() {
  const workspace = readFileSync(join(root, 'pnpm-workspace.yaml'), 'utf8')
  const hash = createHash('sha256').update(`${process.platform} ${process.arch} ${root} ${workspace}`)
  hash.update(readFileSync(join(root, 'pnpm-lock.yaml')))
  for (const folder of ['.', ...packageFolders(workspace)]) {
    const manifest = readFileSync(join(root, folder, 'package.json'), 'utf8')
    hash.update(`${folder} ${manifest}`)
    const { dependencies, devDependencies } = JSON.parse(manifest)
    const wanted = Object.keys({ ...dependencies, ...devDependencies })
    if (!wanted.every((name) => existsSync(join(root, folder, 'node_modules', name)))) return undefined
  }
  return hash.digest('hex')
}

function readStamp() {
  try {
    return JSON.parse(readFileSync(stampFile, 'utf8'))
  } catch {
    return {}
  }
}

/** The folder of npx's cache with pnpm, which turbo wants on the PATH. It is kept in the stamp, since npx takes a second. */
async function pnpmFolder(stamp) {
  const name = windows ? 'pnpm.cmd' : 'pnpm'
  if (stamp.packageManager === packageManager && existsSync(join(stamp.pnpm ?? '', name))) return stamp.pnpm
  const script = windows ? '"node -p process.env.Path||process.env.PATH"' : 'node -p process.env.PATH'
  const path = await run(`npx ${packageManager}`, 'npx', ['-y', '-p', packageManager, '-c', script])
  const folder = path
    .trim()
    .split(delimiter)
    .find((entry) => existsSync(join(entry, name)))
  return folder ?? fail(`npx did not bring ${packageManager}.`)
}

checkNode()
const begin = performance.now()
const stamp = readStamp()
const before = installState()
const installed = before !== undefined && stamp.installed === before
if (!installed) console.log('stockpile: installing dependencies (the first time takes about a minute) …')
const pnpm = await pnpmFolder(stamp)
if (!installed) {
  await run(
    'pnpm install',
    'pnpm',
    ['install', '--frozen-lockfile', '--prefer-offline', '--reporter=append-only'],
    pnpm,
  )
}
try {
  writeFileSync(stampFile, JSON.stringify({ installed: installState(), packageManager, pnpm }))
} catch {
  // A clone of another user cannot be written. Without the stamp the next start asks pnpm again, which is only slower.
}
await run(
  'The build',
  'turbo',
  ['run', 'build', '--output-logs=errors-only'],
  `${join(root, 'node_modules', '.bin')}${delimiter}${pnpm}`,
)
console.log(
  `stockpile: ${installed ? 'built' : 'installed and built'} in ${((performance.now() - begin) / 1000).toFixed(1)} s`,
)
