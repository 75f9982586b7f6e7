import type { Middleware } from 'openapi-fetch'
import * as z from 'zod'

const jsonSchema = z.record(z.string(), z.unknown())
const operationSchema = z.object({
  responses: z.record(
    z.string(),
    z.object({ content: z.record(z.string(), z.object({ schema: jsonSchema.optional() })).optional() }),
  ),
})
const documentSchema = z.object({
  paths: z.record(z.string(), z.record(z.string(), operationSchema)),
  components: z.object({ schemas: z.record(z.string(), jsonSchema) }),
})

/**
 * Holds each success to its schema in the document, so that a call rejects instead of resolving with `data` that is not
 * of its type. Fields and values of enums that the document does not know are let through: a newer API may have more.
 * @param document apps/api/openapi.json, parsed
 * @throws ZodError when the document is no OpenAPI document; a call rejects with an Error that names what is wrong
 */
export function checkAnswers(document: unknown): Middleware {
  const { paths, components } = documentSchema.parse(withoutLimits(document))
  const checks = new Map<string, z.ZodType>()

  function checkOf(method: string, path: string, status: number): z.ZodType | undefined {
    const key = `${method} ${path} ${status}`
    const known = checks.get(key)
    if (known !== undefined) return known
    const answer = paths[path]?.[method.toLowerCase()]?.responses[status]
    const schema = answer?.content?.['application/json']?.schema
    if (schema === undefined) return undefined
    const check = z.fromJSONSchema({ ...schema, $defs: components.schemas })
    checks.set(key, check)
    return check
  }

  return {
    async onResponse({ request: { method }, response, schemaPath }) {
      if (!response.ok) return
      const answer: unknown = await response.clone().json()
      const result = checkOf(method, schemaPath, response.status)?.safeParse(answer)
      if (result?.success === true) return
      const why = result === undefined ? `status ${response.status}` : z.prettifyError(result.error)
      throw new Error(`${method} ${schemaPath} answered with what the document does not have: ${why}`)
    },
  }
}

/** The document with references that z.fromJSONSchema resolves, and without what a newer API may go beyond. */
function withoutLimits(document: unknown): unknown {
  const text = JSON.stringify(document).replaceAll('"#/components/schemas/', '"#/$defs/')
  return JSON.parse(text, (key, value: unknown) =>
    key === 'enum' || key === 'additionalProperties' ? undefined : value,
  )
}
