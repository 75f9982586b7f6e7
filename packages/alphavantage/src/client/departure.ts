import { subscribe } from 'node:diagnostics_channel'
import { isRecord } from '../text/json.js'

/** Listeners by the path of their request, each called once, in the order in which they came. */
const waiting = new Map<string, (() => void)[]>()

// undici publishes this when it hands the bytes of a request to the socket, whichever connection the request takes.
subscribe('undici:client:sendHeaders', (message) => {
  const request = isRecord(message) ? message['request'] : undefined
  const path = isRecord(request) ? request['path'] : undefined
  if (typeof path !== 'string') return
  // A request through a proxy names the whole URL in place of the path.
  const own = path.replace(/^http:\/\/[^/]+/, '')
  const listeners = waiting.get(own)
  listeners?.shift()?.()
  if (listeners?.length === 0) waiting.delete(own)
})

/**
 * Calls `listener` when a request to this URL is written to its connection, which may have to be made first.
 * @returns removes the listener, to be called when the request is over
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
