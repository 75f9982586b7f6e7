import { notAcceptable } from '../negotiation.js'
import { ProblemError, unavailable } from '../problem.js'

interface ProblemAnswer {
  /** The name of OpenAPI's component. */
  name: string
  description: string
  example: ProblemError
}

const at = (pointer: string, code: string, detail: string) => ({ errors: [{ pointer, code, detail }] })

const UNORDERED = 'start_date is after end_date.'
const FINISHED = 'The run has finished: there is nothing left to cancel.'
const TOO_MANY = 'A run takes at most 10000 symbols.'

/** Every status other than success that the API answers with. */
export const PROBLEM_ANSWERS = {
  400: {
    name: 'BadRequest',
    description: 'The request is not valid; errors says where and why. Also what is no HTTP at all.',
    example: new ProblemError(
      400,
      `/query/start_date: ${UNORDERED}`,
      at('/query/start_date', 'custom', UNORDERED),
    ),
  },
  404: {
    name: 'NotFound',
    description: 'There is no such thing.',
    example: new ProblemError(404, 'There is no run with this id.'),
  },
  405: {
    name: 'MethodNotAllowed',
    description: 'The address does not take this method; Allow names those that it takes.',
    example: new ProblemError(405, 'This address takes GET, HEAD.'),
  },
  406: {
    name: 'NotAcceptable',
    description: 'Accept takes none of the formats, and there is no format.',
    example: notAcceptable(),
  },
  408: {
    name: 'RequestTimeout',
    description: 'The headers did not arrive within 10 s, or the whole request not within 30 s.',
    example: new ProblemError(408, 'The request did not arrive in time.'),
  },
  409: {
    name: 'Conflict',
    description: 'The run has finished, or the first request with this Idempotency-Key is still under way.',
    example: new ProblemError(409, FINISHED, at('/path/id', 'run_finished', FINISHED)),
  },
  413: {
    name: 'ContentTooLarge',
    description: 'The body is larger than 1 MiB.',
    example: new ProblemError(413, 'The body is larger than 1 MiB.'),
  },
  414: {
    name: 'UriTooLong',
    description: 'The URL is longer than 8 KiB, or a part of its path than 100 characters.',
    example: new ProblemError(414, 'The URL is longer than 8 KiB.'),
  },
  415: {
    name: 'UnsupportedMediaType',
    description: 'The body is not plain JSON in UTF-8.',
    example: new ProblemError(415, 'The body must be sent as application/json.'),
  },
  422: {
    name: 'UnprocessableContent',
    description: 'More than 10,000 symbols, or an Idempotency-Key that was used for another request.',
    example: new ProblemError(422, TOO_MANY, at('/body/symbols', 'too_big', TOO_MANY)),
  },
  429: {
    name: 'TooManyRequests',
    description:
      'As much of what is dear is under way for your address as may be: exports, or heavy statements; Retry-After says when to ask again, in seconds.',
    example: new ProblemError(429, 'Too many exports of your address are under way.'),
  },
  431: {
    name: 'RequestHeaderFieldsTooLarge',
    description:
      'The request line and headers are larger than 16 KiB, or there are more than 100 header lines.',
    example: new ProblemError(431, 'The request line and headers are larger than 16 KiB.'),
  },
  500: {
    name: 'InternalServerError',
    description: 'A fault of the server, which its log explains under the request id.',
    example: new ProblemError(500, 'Something went wrong here. The log has the reason under the request id.'),
  },
  503: {
    name: 'ServiceUnavailable',
    description:
      'The database does not answer, or as many exports or heavy statements as may be are under way; Retry-After says when to ask again, in seconds.',
    example: unavailable('The database'),
  },
} as const satisfies Record<number, ProblemAnswer>

export type ProblemStatus = keyof typeof PROBLEM_ANSWERS

/** Statuses that every operation can answer with: they are found before there is a route, or wherever a handler runs. */
export const OF_ANY_OPERATION = [400, 408, 414, 415, 431, 500, 503] as const satisfies ProblemStatus[]
