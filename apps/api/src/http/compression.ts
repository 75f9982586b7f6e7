import { constants } from 'node:zlib'
import compress from '@fastify/compress'
import type { App } from '../types.js'

/**
 * Compresses answers with brotli or gzip for clients that accept them; streams stay streams. Register it before the routes.
 *
 * The levels are the cheapest: brotli 1 makes of a page of 1,000 bars what gzip 6 does, in a fifth of the time; brotli's
 * default of 11 takes a hundred times as long as the page. Compressing less than the threshold, some 30 bars, would cost as
 * much as the query and save two packets.
 */
export async function registerCompression(app: App): Promise<void> {
  await app.register(compress, {
    encodings: ['br', 'gzip'],
    threshold: 4 * 1024,
    customTypes:
      /^(?:application\/(?:json|javascript|problem\+json|x-ndjson)|image\/svg\+xml|text\/(?!event-stream))/,
    // A stream holds its window in memory: 256 KiB instead of brotli's default of 4 MiB.
    brotliOptions: {
      params: { [constants.BROTLI_PARAM_QUALITY]: 1, [constants.BROTLI_PARAM_LGWIN]: 18 },
    },
    zlibOptions: { level: 1 },
    // http/request-checks.ts refuses compressed bodies of requests.
    globalDecompression: false,
  })
}
