import { Ajv2020 } from 'ajv/dist/2020.js'
import type { ValidateFunction } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import * as z from 'zod'
import type { Answer, ApiDocument, Operation } from './document.js'
import { parseAs } from './formats.js'
import { CANARY } from './hostile.js'
import type { FuzzRequest } from './fuzz-request.js'
import type { FuzzAnswer } from './send.js'

/** Statuses of a request that never reaches an operation. */
const WITHOUT_OPERATION = new Set([400, 404, 405, 408, 413, 414, 415, 431])
/** Statuses that no request of a valid form can get, whatever is stored. */
const OF_FORM = new Set([405, 413, 414, 415, 431])

const SECRETS = [
  [CANARY, 'repeats what was sent'],
  [/\n\s+at |node_modules|\.[jt]s:\d/, 'shows a stack'],
  [
    /\b(select|insert into|delete from|update)\b.*\b(from|values|where|set)\b|sqlstate|syntax error|drizzle|pg_/i,
    'shows SQL',
  ],
] as const

const problemShape = z.object({
  status: z.number(),
  detail: z.string(),
  request_id: z.string(),
  errors: z.array(z.object({ code: z.string() })),
  info: z.object({ error: z.string() }),
})

/** Makes the judge of answers, which returns how an answer differs from the document or from what its request must get. */
export function createJudge(document: ApiDocument): (request: FuzzRequest, answer: FuzzAnswer) => string[] {
  const ajv = new Ajv2020({ strict: false, allErrors: true })
  addFormats.default(ajv)
  ajv.addSchema(document.raw, 'document')
  const compiled = new WeakMap<object, ValidateFunction>()

  function validate(schema: object, value: unknown): string[] {
    let check = compiled.get(schema)
    if (check === undefined) {
      // All references are to components of the document.
      const absolute: unknown = JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"document#/'))
      check = ajv.compile(z.record(z.string(), z.unknown()).parse(absolute))
      compiled.set(schema, check)
    }
    return check(value) ? [] : [`is not of its schema: ${ajv.errorsText(check.errors)}`]
  }

  function differences(answer: FuzzAnswer, documented: Answer, isHead: boolean): string[] {
    const found: string[] = []
    for (const [name, { required, schema }] of Object.entries(documented.headers)) {
      const value = answer.headers[name]
      if (value !== undefined) found.push(...validate(schema, value).map((text) => `header ${name} ${text}`))
      else if (required) found.push(`has no header ${name}`)
    }
    const types = Object.entries(documented.content)
    if (types.length === 0) return answer.body === '' ? found : [...found, 'has a body']
    const type = answer.headers['content-type']?.split(';', 1)[0]?.trim() ?? ''
    const media = documented.content[type]
    if (media === undefined) return [...found, `is of type ${type || 'none'}`]
    if (isHead) return answer.body === '' ? found : [...found, 'has a body, to HEAD']
    const parsed = parseAs(type, answer.body)
    if ('fault' in parsed) return [...found, parsed.fault]
    if (media.schema === undefined) return found
    return [...found, ...validate(media.schema, parsed.value)]
  }

  return (request, answer) => {
    const operation = findOperation(document.operations, request)
    const { status } = answer
    const found: string[] = SECRETS.flatMap(([secret, what]) =>
      (typeof secret === 'string' ? answer.body.toLowerCase().includes(secret) : secret.test(answer.body))
        ? [what]
        : [],
    )
    if (status >= 500) return [...found, `is ${status}`]
    // The API may close a connection without an answer to bytes that are no HTTP.
    if (status === 0) return request.kind === 'malformed' ? found : [...found, 'is none']
    const documented = operation?.answers[status] ?? withoutOperation(document, status, operation)
    if (documented === undefined) return [...found, `has the undocumented status ${status}`]
    found.push(...differences(answer, documented, request.method === 'HEAD'))
    if (status >= 400 && request.method !== 'HEAD') found.push(...faultsOfProblem(answer))
    return [...found, ...unexpected(request, answer)]
  }
}

function withoutOperation(
  document: ApiDocument,
  status: number,
  operation: Operation | undefined,
): Answer | undefined {
  if (operation !== undefined || !WITHOUT_OPERATION.has(status)) return undefined
  return status === 405 ? document.methodNotAllowed : document.problem
}

/** @returns the operation that the method and path of a request address; undefined: none */
function findOperation(
  operations: readonly Operation[],
  { method, target }: FuzzRequest,
): Operation | undefined {
  const segments = (target.split('?', 1)[0] ?? '').split('/')
  const covers = (path: string) => {
    const wanted = path.split('/')
    return (
      wanted.length === segments.length &&
      wanted.every((one, index) => (one.startsWith('{') ? segments[index] !== '' : one === segments[index]))
    )
  }
  const verb = method === 'HEAD' ? 'GET' : method
  return operations.find((one) => one.method === verb && [one.path, ...one.aliases].some(covers))
}

/** Checks what a schema cannot: that a problem agrees with the status and headers of its answer. */
function faultsOfProblem({ status, headers, body }: FuzzAnswer): string[] {
  const parsed = parseAs('application/problem+json', body)
  const problem = problemShape.safeParse('value' in parsed ? parsed.value : undefined).data
  // The check of the schema has told it already.
  if (problem === undefined) return []
  const faults: string[] = []
  if (problem.status !== status) faults.push(`says ${problem.status} in its body`)
  if (problem.info.error !== problem.detail) faults.push('says another thing in info.error')
  if (problem.request_id !== headers['x-request-id']) faults.push('has two request ids')
  return faults
}

function unexpected({ expect, method }: FuzzRequest, { status, body }: FuzzAnswer): string[] {
  if (expect === 'refused')
    return status >= 400 && status < 500 ? [] : [`is ${status} to a request that is not valid`]
  if (expect === 'wrong method') return status === 405 ? [] : [`is ${status} to a wrong method`]
  if (expect !== 'accepted') return []
  if (OF_FORM.has(status)) return [`is ${status} to a valid request`]
  // A schema has no rules between parameters; the API gives errors by such rules the code custom.
  if (status !== 400 || method === 'HEAD') return []
  const { errors } = problemShape.parse(JSON.parse(body))
  return errors.length > 0 && errors.every((error) => error.code === 'custom')
    ? []
    : ['is 400 to a valid request']
}
