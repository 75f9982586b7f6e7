import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { unpackDebian } from './debian-package.js'

const INSTALLED = '/usr/lib'

/**
 * The library that, preloaded, gives a process another clock: the system's own, or Debian's package.
 * @throws where neither is to be had
 */
export async function faketimeLibrary(): Promise<string> {
  return libraryIn(INSTALLED).catch(() => unpackDebian('faketime', libraryIn))
}

async function libraryIn(folder: string): Promise<string> {
  const files = await readdir(folder, { recursive: true, withFileTypes: true })
  const library = files.find((file) => file.name === 'libfaketime.so.1')
  if (library === undefined) throw new Error(`There is no libfaketime in ${folder}.`)
  return join(library.parentPath, library.name)
}
