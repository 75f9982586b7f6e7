import type { ServerResponse } from 'node:http'
import type { Query } from './query.js'

/** A complete answer, not yet on its way. */
export interface Reply {
  status: number
  headers: Record<string, string>
  body: Buffer
}

export function jsonReply(body: Buffer, status = 200): Reply {
  return { status, headers: { 'content-type': 'application/json' }, body }
}

/** Makes the reply of a series with the headers of its datatype: the provider sends CSV as a file to download. */
export function seriesReply(body: Buffer, query: Pick<Query, 'datatype'>): Reply {
  return query.datatype === 'csv'
    ? {
        status: 200,
        headers: {
          'content-type': 'application/x-download',
          'content-disposition': 'attachment; filename=series.csv',
        },
        body,
      }
    : jsonReply(body)
}

export function writeHead(response: ServerResponse, reply: Reply): void {
  response.writeHead(reply.status, { ...reply.headers, 'content-length': String(reply.body.length) })
}

export function send(response: ServerResponse, reply: Reply): void {
  writeHead(response, reply)
  response.end(reply.body)
}
