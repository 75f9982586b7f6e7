import { isIPv6 } from 'node:net'
import type { FastifyRequest } from 'fastify'

/**
 * The client whose share a request counts against: the address of its connection, whatever its headers say. Of an IPv6
 * address the first 64 bits count, since one client has all addresses that begin with them.
 */
export function clientAddressOf({ raw: { socket } }: FastifyRequest): string {
  return networkOf(socket.remoteAddress ?? '')
}

/** @returns `192.0.2.1`, or `2001:db8:0:1::/64` */
export function networkOf(address: string): string {
  // A socket that takes IPv4 and IPv6 writes an IPv4 address like this.
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (mapped !== undefined) return mapped
  const [plain = ''] = address.split('%', 1)
  if (!isIPv6(plain)) return address
  const [left = '', right] = plain.split('::')
  const before = left === '' ? [] : left.split(':')
  const after = right === undefined || right === '' ? [] : right.split(':')
  // An IPv4 address at the end of an IPv6 address takes the place of two groups.
  const known = before.length + after.length + (plain.includes('.') ? 1 : 0)
  const groups = right === undefined ? before : [...before, ...Array<string>(8 - known).fill('0'), ...after]
  const network = groups.slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16))
  return `${network.join(':')}::/64`
}
