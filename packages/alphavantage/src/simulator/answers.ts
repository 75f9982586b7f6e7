import type { ServerResponse } from 'node:http'
import { cut, drip, gzipBomb, hugeBody, reset, sendAfter } from './faults.js'
import type { SeriesFunction } from './series/functions.js'
import type { Query } from './query.js'
import { type RefusalContext, refusalBody } from './refusals.js'
import { jsonReply, type Reply, send, seriesReply } from './reply.js'
import type { Answer } from './rules.js'
import type { Series } from './series/series.js'
import { render } from './series/source.js'
import { tamper } from './series/tampering.js'
import { objectJson } from './series/wire.js'

/** What a scripted answer may need of the request that it answers. */
export interface Exchange {
  response: ServerResponse
  query: Query
  refusalContext: RefusalContext
  now: Date
  /** Makes the answer that the request gets without the rule. */
  usual: () => Reply
  /** Makes the series of that answer; undefined when that answer is a refusal. */
  usualSeries: () => { fn: SeriesFunction; series: Series } | undefined
}

const HTML =
  '<!DOCTYPE html>\n<html><head><title>Be right back</title></head><body><h1>503</h1></body></html>\n'

/** Names a scripted answer for the log of arrivals. */
export function nameOf(answer: Answer): string {
  if (answer.kind === 'refusal') return answer.refusal
  return answer.kind === 'status' ? `status:${answer.status}` : answer.kind
}

/** Answers a request as a rule says. Where a rule alters a series and there is none, the usual refusal is sent. */
export function give(answer: Answer, exchange: Exchange): void {
  const { response, query, usual } = exchange
  switch (answer.kind) {
    case 'refusal':
      return send(response, jsonReply(refusalBody(answer.refusal, exchange.refusalContext, answer.variant)))
    case 'status':
      return send(response, {
        status: answer.status,
        headers: { 'content-type': 'text/plain', ...answer.headers },
        body: Buffer.from(answer.body),
      })
    case 'raw':
      return send(response, {
        status: 200,
        headers: { 'content-type': answer.contentType },
        body: Buffer.from(answer.body),
      })
    case 'html':
      return send(response, {
        status: 200,
        headers: { 'content-type': 'text/html; charset=utf-8' },
        body: Buffer.from(HTML),
      })
    case 'redirect':
      return send(response, {
        status: answer.status,
        headers: { location: answer.location },
        body: Buffer.alloc(0),
      })
    case 'empty_object':
      return send(response, jsonReply(objectJson({})))
    case 'invalid_json': {
      const { body, ...rest } = usual()
      return send(response, { ...rest, body: body.subarray(0, Math.floor(body.length * 0.6)) })
    }
    case 'delay':
      return sendAfter(response, usual(), answer.ms)
    case 'drip':
      return drip(response, usual(), answer.bytes, answer.everyMs)
    case 'cut':
      return cut(response, usual(), answer.afterBytes)
    case 'reset':
      return reset(response)
    case 'gzip_bomb':
      return gzipBomb(response, answer.bytes)
    case 'huge_body':
      return hugeBody(response, answer.bytes)
    case 'restated':
    case 'bad_row':
    case 'repeated_date':
    case 'fractional_volumes':
    case 'other_symbol':
    case 'open_session': {
      const found = exchange.usualSeries()
      if (found === undefined) return send(response, usual())
      const altered = tamper(found.fn, found.series, answer, exchange.now)
      return send(response, seriesReply(render(found.fn, altered, query.datatype), query))
    }
  }
}
