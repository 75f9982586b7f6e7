import * as fc from 'fast-check'
import type { ApiDocument, Operation, Parameter } from './document.js'
import type { FuzzRequest } from './fuzz-request.js'
import { hostileBody, hostileHeaders, HOSTILE_TEXTS, malformed } from './hostile.js'
import { compose, validParts, without } from './parts.js'
import type { Parts } from './parts.js'
import { brokenJson, brokenTexts } from './values.js'
import type { Known } from './values.js'

/** Generates requests that are valid by the document, almost valid, hostile, of a wrong method, or no HTTP. */
export function requestArbitrary(document: ApiDocument, known: Known): fc.Arbitrary<FuzzRequest> {
  // Generators are made once for each operation: to make one takes longer than a request.
  const one = (make: (operation: Operation, known: Known) => fc.Arbitrary<FuzzRequest>) =>
    fc.oneof(
      ...document.operations.map((operation) => ({
        // People integrate with data most, and runs and the quota take many statements each.
        weight: operation.tags.includes('data') ? 6 : 1,
        arbitrary: make(operation, known),
      })),
    )
  return fc.oneof(
    { weight: 10, arbitrary: one(valid) },
    { weight: 8, arbitrary: one(almostValid) },
    { weight: 8, arbitrary: one(hostile) },
    { weight: 2, arbitrary: one(wrongMethod(document)) },
    { weight: 1, arbitrary: malformed(document.operations) },
  )
}

function valid(operation: Operation, known: Known): fc.Arbitrary<FuzzRequest> {
  const address = fc.constantFrom(operation.path, ...operation.aliases)
  return fc.tuple(address, validParts(operation, known), fc.boolean()).map(([path, parts, asHead]) => ({
    ...compose(operation, parts, path),
    // The API answers HEAD wherever it answers GET.
    ...(asHead && operation.method === 'GET' ? { method: 'HEAD' } : {}),
    kind: 'valid',
    what: '',
    expect: 'accepted',
  }))
}

/** A valid request with one constraint of the document broken. */
function almostValid(operation: Operation, known: Known): fc.Arbitrary<FuzzRequest> {
  const breaks: fc.Arbitrary<{ what: string; change: (parts: Parts) => Parts }>[] = []
  const set = (parts: Parts, { in: place, name }: Parameter, value: string): Parts => ({
    ...parts,
    [place]: { ...parts[place], [name]: value },
  })
  for (const parameter of operation.parameters) {
    const { name, in: place } = parameter
    // A path with an empty segment is another address, and Node does not send a header with other characters.
    const texts = brokenTexts(parameter.schema).filter(
      (text) =>
        (place !== 'path' || text !== '') && (place !== 'header' || /^[\x20-\x7E\u00DF]+$/.test(text)),
    )
    if (texts.length > 0)
      breaks.push(
        fc.constantFrom(...texts).map((text) => ({
          what: `${name} = ${JSON.stringify(text)}`,
          change: (parts) => set(parts, parameter, text),
        })),
      )
    if (parameter.required && place === 'query')
      breaks.push(
        fc.constant({
          what: `no ${name}`,
          change: (parts) => ({ ...parts, query: without(parts.query, name) }),
        }),
      )
    if (place === 'query')
      breaks.push(
        fc.constant({
          what: `${name} twice`,
          change: (parts) => ({ ...set(parts, parameter, 'IBM'), more: [[name, 'IBM']] }),
        }),
      )
  }
  if (operation.parameters.some((parameter) => parameter.in === 'query'))
    for (const name of ['zqcanary', '__proto__', 'constructor', 'symbol[]', 'SYMBOL'])
      breaks.push(
        fc.constant({ what: `unknown ${name}`, change: (parts) => ({ ...parts, more: [[name, '5']] }) }),
      )
  const properties = Object.entries(operation.body?.properties ?? {})
  for (const [name, schema] of properties)
    breaks.push(
      brokenJson(schema).map((value) => ({
        what: `body.${name} = ${JSON.stringify(value)}`,
        change: (parts) => ({ ...parts, body: { ...parts.body, [name]: value } }),
      })),
    )
  for (const name of operation.body?.required ?? [])
    breaks.push(
      fc.constant({
        what: `no body.${name}`,
        change: (parts) => ({ ...parts, body: without(parts.body ?? {}, name) }),
      }),
    )
  if (operation.body !== undefined)
    breaks.push(
      fc.constant({
        what: 'unknown body.zqcanary',
        change: (parts) => ({ ...parts, body: { ...parts.body, zqcanary: 1 } }),
      }),
    )
  // Operations of health have no parameters, so that there is no constraint to break.
  if (breaks.length === 0) return valid(operation, known)
  return fc.tuple(validParts(operation, known), fc.oneof(...breaks)).map(([parts, { what, change }]) => ({
    ...compose(operation, change(parts)),
    kind: 'almost valid',
    what,
    expect: 'refused',
  }))
}

/** A valid request with odd bytes in its path, query, headers or body. It may get any documented answer. */
function hostile(operation: Operation, known: Known): fc.Arbitrary<FuzzRequest> {
  const text = fc.constantFrom(...HOSTILE_TEXTS)
  const names = operation.parameters.map((parameter) => parameter.name)
  const name = fc.oneof(fc.constantFrom('symbol', 'limit', ...names), text)
  const query = fc.array(
    fc.tuple(name, text).map(([key, value]) => `${key}=${value}`),
    { maxLength: 3 },
  )
  const segment = operation.path.includes('{')
    ? fc.option(text, { freq: 1, nil: undefined })
    : fc.constant(undefined)
  return fc
    .tuple(
      validParts(operation, known),
      query,
      segment,
      fc.option(hostileHeaders, { nil: {} }),
      fc.option(hostileBody, { nil: undefined }),
    )
    .map(([parts, pairs, odd, headers, body]): FuzzRequest => {
      const request = compose(operation, parts)
      const path =
        odd === undefined ? request.target.split('?', 1)[0] : operation.path.replace(/\{\w+\}/, odd)
      const search = [...pairs, request.target.split('?')[1]].filter(Boolean).join('&')
      return {
        ...request,
        kind: 'hostile',
        what: 'odd bytes',
        expect: 'documented',
        target: search === '' ? `${path}` : `${path}?${search}`,
        headers: { ...request.headers, ...headers, ...body?.headers },
        body: body === undefined ? request.body : body.text,
      }
    })
}

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'TRACE']

function wrongMethod({ operations }: ApiDocument) {
  return (operation: Operation, known: Known): fc.Arbitrary<FuzzRequest> => {
    const known405 = operations.filter((one) => one.path === operation.path).map((one) => one.method)
    const method = fc.constantFrom(...METHODS.filter((one) => !known405.includes(one)))
    return fc.tuple(validParts(operation, known), method).map(([parts, wrong]) => ({
      ...compose(operation, { ...parts, body: undefined }),
      method: wrong,
      kind: 'hostile',
      what: 'wrong method',
      expect: 'wrong method',
    }))
  }
}
