import createFetchClient from 'openapi-fetch'
import type { Client as FetchClient } from 'openapi-fetch'
import type { paths } from './paths.js'

export { checkAnswers } from './check-answers.js'
export type { components } from './paths.js'

export type Client = FetchClient<paths>

/**
 * Makes a client whose addresses, parameters, bodies and answers have the types of apps/api/openapi.json. A call resolves
 * with `data` for a success and with `error` for any other status; it rejects only when no answer came.
 * @param baseUrl where the API listens, e.g. http://127.0.0.1:8081
 */
export function createClient(baseUrl: string): Client {
  return createFetchClient<paths>({ baseUrl })
}
