import { parseEnv } from 'node:util'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseEnvFile } from '../../src/settings/env-file.js'

const parse = (text: string, shell: Record<string, string> = {}) => {
  const { variables, unreadable } = parseEnvFile(text, ['PORT', 'HOST'], shell)
  return { unreadable, ...Object.fromEntries([...variables].map(([name, { value }]) => [name, value])) }
}

test.each([
  ['A=1', '1'],
  ['  A = 1  ', '1'],
  ['export A=1', '1'],
  ['A: 1', '1'],
  ['A=1 # why', '1'],
  ['A=1#2', '1#2'],
  ['A=#2', ''],
  ['A=', ''],
  ["A='p#s s$B\\n' # why", 'p#s s$B\\n'],
  ['A="p#s s\\n\\"q\\"\\$B"', 'p#s s\n"q"$B'],
  ['A="two\nlines"', 'two\nlines'],
  ['A=1\r\n', '1'],
  ['\uFEFFA=1', '1'],
  ['A=old\nA=new', 'new'],
  ["A=it's", "it's"],
  ['A=$B-${B}', 'b-b'],
  ['A="${NONE:-x}${B:-x}${NONE-y}$NONE"', 'xby'],
  ['C=1\nA=${C}2', '12'],
])('%j sets A to %j', (text, value) => {
  expect(parse(text, { B: 'b' })).toMatchObject({ A: value, unreadable: [] })
})

test('What cannot be read is named by its line, and what stands after it is read', () => {
  const text = [
    '# a comment',
    '',
    'PORT',
    'a secret',
    'A="open',
    'B=1',
    '=2',
    "C='x' y",
    'D=${',
    'E=${B?no}',
    '',
    'F=6',
  ]
  expect(parse(text.join('\n'))).toEqual({ B: '1', F: '6', unreadable: [4, 5, 7, 8, 9, 10] })
})

test('A plain value is read as Node reads it', () => {
  // Values of blanks alone are left out: Node 24 takes the next line for such a value.
  const value = fc
    .string({
      unit: fc.constantFrom('a', 'Z', '0', '_', '-', '/', ':', '.', ',', '@', ' '),
      maxLength: 20,
    })
    .filter((text) => !/^ +$/.test(text))
  fc.assert(
    fc.property(fc.dictionary(fc.stringMatching(/^[A-Z_]{1,8}$/), value), (variables) => {
      const text = Object.entries(variables)
        .map(([name, of]) => `${name}=${of}`)
        .join('\n')
      expect(parse(text)).toEqual({ ...parseEnv(text), unreadable: [] })
    }),
  )
})
