import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ArrivalLog } from './arrivals.js'
import { jsonReply, send } from './reply.js'
import { parseRules, type RuleBook } from './rules.js'
import { objectJson } from './series/wire.js'

const BODY_LIMIT_BYTES = 1024 * 1024

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request) {
    if (!Buffer.isBuffer(chunk)) continue
    bytes += chunk.length
    if (bytes > BODY_LIMIT_BYTES) throw new Error(`The rules are larger than ${BODY_LIMIT_BYTES} bytes.`)
    chunks.push(chunk)
  }
  return JSON.parse(Buffer.concat(chunks).toString('utf8'))
}

/**
 * Answers the requests by which a test steers a simulator in another process: `PUT /simulator/rules` replaces all rules by those of
 * a JSON array (all or none), `DELETE` clears them, `GET /simulator/arrivals` is the log, `GET /healthz` is alive.
 */
export async function handleControl(
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
  { rules, log }: { rules: RuleBook; log: ArrivalLog },
): Promise<void> {
  switch (`${request.method} ${path}`) {
    case 'GET /healthz':
      return send(response, jsonReply(objectJson({ status: 'ok' })))
    case 'GET /simulator/arrivals':
      return send(response, jsonReply(objectJson(log.all())))
    case 'DELETE /simulator/rules':
      rules.clear()
      return send(response, { status: 204, headers: {}, body: Buffer.alloc(0) })
    case 'PUT /simulator/rules':
      try {
        const parsed = parseRules(await readJson(request))
        rules.clear()
        for (const rule of parsed) rules.add(rule)
        return send(response, jsonReply(objectJson({ rules: parsed.length })))
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error)
        return send(response, jsonReply(objectJson({ error: message }), 400))
      }
    default:
      return send(response, jsonReply(objectJson({ error: `There is no ${path} here.` }), 404))
  }
}
