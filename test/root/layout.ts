// A state as contract 1.6 wants it, for a certificate of group web, and how it looks to `ls`.
import * as fs from 'node:fs'
import { dirname, join } from 'node:path'
import { cert } from './hostile.ts'
import { ownersOf } from './owners.ts'

const certDir = `.lego/${cert}/549839e4ae8616de7ad5`
const account = '.lego/accounts/1ccf607d9aa280e9af00'
const generation = `${cert}/.generations/2026-11-05-0123456789abcdef`

/** Path below the state → mode, and owner and group where they are others than acme:web. */
export const layout: Readonly<Record<string, string>> = {
  '.': '755 root:root',
  '.lego': '755 root:root',
  '.lego/accounts': '755 root:root',
  [account]: '750 acme:root',
  [`${account}/ca.test`]: '700 acme:root',
  [`${account}/ca.test/a@b.test`]: '700 acme:root',
  [`${account}/ca.test/a@b.test/account.json`]: '600 acme:root',
  [`${account}/ca.test/a@b.test/keys`]: '700 acme:root',
  [`${account}/ca.test/a@b.test/keys/a@b.test.key`]: '600 acme:root',
  '.minica': '750 acme:acme',
  '.minica/cert.pem': '600 acme:root',
  '.minica/key.pem': '600 acme:root',
  '.renewal-info': '750 acme:acme',
  // Its group is that of whoever wrote last.
  [`.renewal-info/${cert}.json`]: '640 acme:root',
  [`.lego/${cert}`]: '750 acme:web',
  [certDir]: '750 acme:web',
  [`${certDir}/domainhash.txt`]: '640 acme:web',
  [`${certDir}/x.test.crt`]: '640 acme:web',
  [`${certDir}/x.test.key`]: '640 acme:web',
  [cert]: '750 acme:web',
  [`${cert}/.generations`]: '750 acme:web',
  [generation]: '750 acme:web',
  [`${generation}/full.pem`]: '640 acme:web',
  [`${generation}/key.pem`]: '640 acme:web',
  [`${cert}/deploy`]: '750 acme:web',
  [`${cert}/renewed`]: '640 acme:web',
}

/** What all certificates share, outermost first. */
export const sharedFolders = ['.', '.lego', '.lego/accounts'] as const

/** Of the layout, those that are files. */
const isFile = (path: string): boolean => /\.(json|key|pem|crt|txt)$|\/(deploy|renewed)$/.test(path)
const links = {
  [`${cert}/current`]: '.generations/2026-11-05-0123456789abcdef',
  [`${cert}/key.pem`]: 'current/key.pem',
}

/**
 * Makes the layout below `state`, all of it root's, with modes that let in too many or too few; those of the shared folders
 * too, unless `areSharedRight`: without root's rights nobody can mend root's.
 */
export function layState(state: string, areSharedRight = false): void {
  for (const path of Object.keys(layout)) {
    const at = join(state, path)
    fs.mkdirSync(isFile(path) ? dirname(at) : at, { recursive: true })
    if (isFile(path)) fs.writeFileSync(at, path)
  }
  for (const path of Object.keys(layout)) {
    const mode = isFile(path) ? (path.endsWith('deploy') ? 0o711 : path.endsWith('key') ? 0o600 : 0o666) : 0o777
    fs.chmodSync(join(state, path), mode)
  }
  if (areSharedRight) for (const path of sharedFolders) fs.chmodSync(join(state, path), 0o755)
  fs.chownSync(state, 0, 0)
  for (const [path, target] of Object.entries(links)) fs.symlinkSync(target, join(state, path))
}

/** How the paths of the layout are. */
export const looks = (state: string): Record<string, string> =>
  Object.fromEntries(
    Object.keys(layout).map((path) => {
      const s = fs.lstatSync(join(state, path))
      return [path, `${(s.mode & 0o7777).toString(8)} ${ownersOf(s)}`]
    }),
  )

/** When each path of the layout was changed last, to the nanosecond: a mode that is set anew shows here. */
export const changeTimes = (state: string): Record<string, bigint> =>
  Object.fromEntries(
    Object.keys(layout).map((path) => [path, fs.lstatSync(join(state, path), { bigint: true }).ctimeNs]),
  )

/** Times at which content was written or read: nothing of ours may do that. */
export const openTimes = (state: string): Record<string, string> =>
  Object.fromEntries(
    Object.keys(layout)
      .filter(isFile)
      .map((path) => {
        const { mtimeNs, atimeNs } = fs.lstatSync(join(state, path), { bigint: true })
        return [path, `${mtimeNs} ${atimeNs}`]
      }),
  )
