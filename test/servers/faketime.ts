import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { unpackDebian } from './debian-package.js'

const INSTALLED = '/usr/lib'

/**
 * Returns the path of libfaketime, which gives a process another clock when preloaded: an installed one, or Debian's package.
 * @throws Error where neither can be had
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
