import { startEmbeddedPostgres } from '../src/server.js'

// Starts a server, writes one line about the server, and stays until it is killed.
const [directory] = process.argv.slice(2)
if (directory === undefined) throw new Error('Usage: starter DIRECTORY')
const { pid, wasAdopted } = await startEmbeddedPostgres({ directory, settings: { fsync: 'off' } })
process.stdout.write(`${JSON.stringify({ pid, wasAdopted })}\n`)
setInterval(() => undefined, 60_000)
