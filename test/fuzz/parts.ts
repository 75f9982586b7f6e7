import * as fc from 'fast-check'
import type { Operation, Parameter } from './document.js'
import type { FuzzRequest } from './fuzz-request.js'
import { validValue } from './values.js'
import type { Known } from './values.js'

type Values = Record<string, unknown>
type Pair = [name: string, value: string]

/** The values of a request, by the place that they go to. */
export interface Parts {
  path: Values
  query: Values
  header: Values
  body: Values | undefined
  /** Further pairs of the query, after those of `query`. */
  more: Pair[]
}

/** Generates the parts of a request that the operation's schemas take. */
export function validParts({ parameters, body }: Operation, known: Known): fc.Arbitrary<Parts> {
  const valuesIn = (place: Parameter['in']) => {
    const ones = parameters.filter((parameter) => parameter.in === place)
    const schemaOf = ({ schema, example }: Parameter) =>
      example === undefined ? schema : { ...schema, examples: [example, ...(schema.examples ?? [])] }
    const values = ones.map((one) => {
      const value = validValue(schemaOf(one), known, one.name)
      // A third of the optional values is given: with more, rules between parameters would forbid most requests.
      const absent = { weight: 2, arbitrary: fc.constant(undefined) }
      return [one.name, one.required ? value : fc.oneof(absent, { weight: 1, arbitrary: value })] as const
    })
    return fc.record(Object.fromEntries(values)).map(withoutUndefined)
  }
  return fc.record({
    path: valuesIn('path'),
    query: valuesIn('query'),
    header: valuesIn('header'),
    body:
      body === undefined
        ? fc.constant(undefined)
        : validValue(body, known).map((value): Values => ({ ...(typeof value === 'object' ? value : {}) })),
    more: fc.constant([]),
  })
}

/**
 * Makes the request to send.
 * @param path one of the operation's addresses
 */
export function compose(
  operation: Operation,
  parts: Parts,
  path = operation.path,
): Omit<FuzzRequest, 'kind' | 'what' | 'expect'> {
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(String(parts.path[name])),
  )
  const query = [...Object.entries(parts.query), ...parts.more]
    .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(String(value))}`)
    .join('&')
  const headers = Object.fromEntries(
    Object.entries(parts.header).map(([name, value]) => [name, String(value)]),
  )
  const body = parts.body === undefined ? undefined : JSON.stringify(parts.body)
  return {
    method: operation.method,
    target: query === '' ? filled : `${filled}?${query}`,
    headers: body === undefined ? headers : { ...headers, 'content-type': 'application/json' },
    body,
  }
}

export function without(values: Values, name: string): Values {
  return Object.fromEntries(Object.entries(values).filter(([key]) => key !== name))
}

function withoutUndefined(values: Values): Values {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined))
}
