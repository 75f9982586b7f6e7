import { constants } from 'node:zlib'
import compress from '@fastify/compress'
import type { App } from '../types.js'

/**
 * Answers in brotli or gzip to who accepts them; streams stay streams. To be registered before the routes it should know.
 *
 * At their cheapest levels: of a page of 1,000 bars brotli at 1 makes what gzip makes at 6, in a fifth of the time; at its
 * default of 11 it would take a hundred times as long as the page. Below the threshold, some 30 bars, it would cost as
 * much as the query and save two packets.
 */
export async function registerCompression(app: App): Promise<void> {
  await app.register(compress, {
    encodings: ['br', 'gzip'],
    threshold: 4 * 1024,
    customTypes:
      /^(?:application\/(?:json|javascript|problem\+json|x-ndjson)|image\/svg\+xml|text\/(?!event-stream))/,
    // The window is what a stream holds in memory: 256 KiB instead of 4 MiB.
    brotliOptions: {
      params: { [constants.BROTLI_PARAM_QUALITY]: 1, [constants.BROTLI_PARAM_LGWIN]: 18 },
    },
    zlibOptions: { level: 1 },
    // Compressed bodies of requests are refused (see requests.ts).
    globalDecompression: false,
  })
}
