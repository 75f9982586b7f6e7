import { isIPv6 } from 'node:net'
import type { FastifyRequest } from 'fastify'

/**
 * Whose share a request counts against: the address that its connection comes from, whatever its headers say. Of IPv6 the
 * first 64 bits, since a client has as many addresses as it likes below them.
 */
export function clientAddressOf({ raw: { socket } }: FastifyRequest): string {
  return networkOf(socket.remoteAddress ?? '')
}

/** @returns `192.0.2.1`, or `2001:db8:0:1::/64` */
export function networkOf(address: string): string {
  // IPv4 at a socket that takes both.
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (mapped !== undefined) return mapped
  const [plain = ''] = address.split('%', 1)
  if (!isIPv6(plain)) return address
  const [left = '', right] = plain.split('::')
  const before = left === '' ? [] : left.split(':')
  const after = right === undefined || right === '' ? [] : right.split(':')
  // An IPv4 address at its end takes the place of two groups.
  const known = before.length + after.length + (plain.includes('.') ? 1 : 0)
  const groups = right === undefined ? before : [...before, ...Array<string>(8 - known).fill('0'), ...after]
  const network = groups.slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16))
  return `${network.join(':')}::/64`
}
