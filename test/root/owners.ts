// Who owns the files of a state, by name, as its tests list them.
import { lstatSync, readlinkSync, type Stats } from 'node:fs'
import { treeOf } from '../support/tree.ts'
import { acme, type Machine, web } from './machine.ts'

const owners: Record<number, string> = { 0: 'root', [acme.uid]: 'acme', [web.gid]: 'web' }

/** `owner:group`; numbers where they have no name. */
export const ownersOf = ({ uid, gid }: Stats): string => [uid, gid].map((id) => owners[id] ?? id).join(':')

/** `path mode owner:group` of all that is below the machine's state; hashes, ports and dates are given as words. */
export function stateOf({ world }: Machine): string[] {
  const { state } = world.roots
  const { account, certDir } = world.job().servers[0].hashes
  const { port } = new URL(world.ca.directoryUrl)
  const [, ...below] = treeOf([state]).keys()
  return below.map((path) => {
    const name = path.slice(state.length + 1)
    const s = lstatSync(path)
    const what = s.isSymbolicLink() ? `-> ${readlinkSync(path)}` : (s.mode & 0o7777).toString(8)
    return `${name} ${what} ${ownersOf(s)}`
      .replaceAll(account, 'ACCOUNT')
      .replaceAll(certDir, 'CERTDIR')
      .replaceAll(`127.0.0.1_${port}`, 'CA')
      .replaceAll(/\d{4}-\d\d-\d\d-[0-9a-f]{16}/g, 'GENERATION')
  })
}

/** What `stateOf` says of the installed files of example.com; `certPem`: how its cert.pem is. */
export const installed = (certPem: string): string[] => [
  'example.com 750 acme:web',
  'example.com/.generations 750 acme:web',
  'example.com/.generations/GENERATION 750 acme:web',
  `example.com/.generations/GENERATION/cert.pem ${certPem}`,
  'example.com/.generations/GENERATION/chain.pem 640 acme:web',
  'example.com/.generations/GENERATION/full.pem 640 acme:web',
  'example.com/.generations/GENERATION/fullchain.pem 640 acme:web',
  'example.com/.generations/GENERATION/key.pem 640 acme:web',
  'example.com/cert.pem -> current/cert.pem acme:acme',
  'example.com/chain.pem -> current/chain.pem acme:acme',
  'example.com/current -> .generations/GENERATION acme:acme',
  'example.com/full.pem -> current/full.pem acme:acme',
  'example.com/fullchain.pem -> current/fullchain.pem acme:acme',
  'example.com/key.pem -> current/key.pem acme:acme',
]
