import { spawnSync } from 'node:child_process'
import { Writable } from 'node:stream'
import { describe, expect, test, vi } from 'vitest'
import { createLogOutput } from '../src/output.js'

/** Makes a stream that writes nothing until `read` is called, like a full pipe without a reader. */
function unreadPipe() {
  let reader: (() => void) | undefined
  let isRead = false
  const lines: string[] = []
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      const take = () => {
        lines.push(chunk.toString())
        done()
      }
      if (isRead) take()
      else reader = take
    },
  })
  const read = () => {
    isRead = true
    reader?.()
  }
  return { stream, lines, read }
}

describe('the log of a process', () => {
  test('is written in order', async () => {
    const { stream, lines, read } = unreadPipe()
    read()
    const output = createLogOutput(stream)
    for (const line of ['one\n', 'two\n']) output.write(line)
    await output.flush(1_000)
    expect(lines.join('')).toBe('one\ntwo\n')
  })

  test('fills a bounded memory while nobody reads it, and says afterwards how much was dropped', async () => {
    const { stream, lines, read } = unreadPipe()
    const output = createLogOutput(stream, { limitBytes: 1_000 })
    for (let number = 0; number < 100; number += 1) output.write(`${'x'.repeat(99)}\n`)
    output.send()
    expect(stream.writableLength).toBe(1_000)
    read()
    await output.flush(1_000)
    output.write('read again\n')
    await output.flush(1_000)
    const all = lines.join('').split('\n').slice(0, -1)
    const [notice = '', last] = all.filter((line) => !line.startsWith('x'))
    expect(JSON.parse(notice)).toMatchObject({ level: 'warn', dropped: 90 })
    expect(last).toBe('read again')
  })

  test('has the lines of one moment in one write, soon after', async () => {
    const { stream, lines, read } = unreadPipe()
    read()
    const output = createLogOutput(stream, { delayMs: 10 })
    for (const line of ['one\n', 'two\n']) output.write(line)
    expect(lines).toStrictEqual([])
    await vi.waitFor(() => expect(lines).toStrictEqual(['one\ntwo\n']))
  })

  test('has the last lines of a process that ends by an error nobody caught', () => {
    const program = `
      import { createProcessOutput } from ${JSON.stringify(new URL('../src/output.ts', import.meta.url).href)}
      createProcessOutput({ delayMs: 60_000 }).write('the last\\n')
      throw new Error('nobody caught it')`
    const { stdout, stderr, status } = spawnSync(
      process.execPath,
      ['--import', 'tsx', '--input-type=module', '-e', program],
      { encoding: 'utf8' },
    )
    expect({ stdout, status }).toStrictEqual({ stdout: 'the last\n', status: 1 })
    expect(stderr).toContain('nobody caught it')
  })

  test('delays the end of its process only until the deadline', async () => {
    const { stream } = unreadPipe()
    const output = createLogOutput(stream)
    output.write('never read\n')
    const startedAt = performance.now()
    await output.flush(50)
    expect(performance.now() - startedAt).toBeLessThan(1_000)
  })

  test('goes nowhere once its reader is gone', async () => {
    const { stream } = unreadPipe()
    const output = createLogOutput(stream)
    stream.destroy(new Error('EPIPE'))
    output.write('unheard\n')
    await output.flush(1_000)
    expect(stream.destroyed).toBe(true)
  })
})
