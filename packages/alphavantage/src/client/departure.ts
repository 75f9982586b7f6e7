import { subscribe } from 'node:diagnostics_channel'
import { isRecord } from '../text/json.js'

/** Who waits for the request to a path to be written; each is told once. */
const waiting = new Map<string, (() => void)[]>()

// Of fetch itself, whichever connection it takes: it says so right when it hands a request's bytes to the socket.
subscribe('undici:client:sendHeaders', (message) => {
  const request = isRecord(message) ? message['request'] : undefined
  const path = isRecord(request) ? request['path'] : undefined
  if (typeof path !== 'string') return
  // A proxy is asked for the whole URL.
  const own = path.replace(/^http:\/\/[^/]+/, '')
  const listeners = waiting.get(own)
  listeners?.shift()?.()
  if (listeners?.length === 0) waiting.delete(own)
})

/**
 * Calls back when a request to this URL is written to its connection, which may have to be made first.
 * @returns ends it: the request is over
 */
export function onDeparture(url: URL, listener: () => void): () => void {
  const path = `${url.pathname}${url.search}`
  const listeners = waiting.get(path) ?? []
  listeners.push(listener)
  waiting.set(path, listeners)
  return () => {
    const index = listeners.indexOf(listener)
    if (index >= 0) listeners.splice(index, 1)
    if (listeners.length === 0 && waiting.get(path) === listeners) waiting.delete(path)
  }
}
