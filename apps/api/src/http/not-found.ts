import { ProblemError } from './problem.js'
import type { App } from '../types.js'

/**
 * Answers 404 for an unknown path, and 405 with Allow for an unknown method of a known path. Register it before the routes.
 */
export function registerNotFound(app: App): void {
  const methodsOf = new Map<string, Set<string>>()
  app.addHook('onRoute', ({ url, method }) => {
    const methods = methodsOf.get(url) ?? new Set()
    for (const one of [method].flat()) methods.add(one)
    methodsOf.set(url, methods)
  })

  // The handler below runs only after the body was read: by then a wrong method with an odd body is a 415.
  app.addHook('onRequest', async (request) => {
    if (!request.is404) return
    const path = request.url.split('?', 1)[0] ?? ''
    const allowed = new Set(
      [...methodsOf].filter(([pattern]) => matches(pattern, path)).flatMap(([, methods]) => [...methods]),
    )
    if (allowed.size === 0)
      throw new ProblemError(404, 'There is nothing at this address. The routes are listed at /docs.')
    const allow = [...allowed].toSorted().join(', ')
    throw new ProblemError(405, `This address takes ${allow}.`, { headers: { allow } })
  })
  app.setNotFoundHandler(() => {
    throw new ProblemError(404, 'There is nothing at this address.')
  })
}

/** Whether a route's pattern (`:name` is one segment, `*` the rest) covers a path. */
function matches(pattern: string, path: string): boolean {
  const wanted = pattern.split('/')
  const given = path.split('/')
  if (wanted.at(-1) === '*') return wanted.length <= given.length && wanted.slice(0, -1).every(sameAt)
  return wanted.length === given.length && wanted.every(sameAt)

  function sameAt(segment: string, index: number): boolean {
    return segment.startsWith(':') ? given[index] !== '' : segment === given[index]
  }
}
