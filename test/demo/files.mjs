// The files that a renewal left: as a tree with modes, as openssl sees them, and whether they belong together.
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { say } from './voice.mjs'

const bits = ['---', '--x', '-w-', '-wx', 'r--', 'r-x', 'rw-', 'rwx']

/** As `ls -l` writes it, e.g. `drwxr-x---`. */
function modeOf(stat) {
  const kind = stat.isDirectory() ? 'd' : stat.isSymbolicLink() ? 'l' : '-'
  return kind + [6, 3, 0].map((shift) => bits[(stat.mode >> shift) & 7]).join('')
}

/** Prints what lies below `dir`, each with its mode, indented by depth; links with their target. */
export function printTree(dir, indent = '') {
  for (const name of readdirSync(dir).sort()) {
    const path = join(dir, name)
    const stat = lstatSync(path)
    const end = stat.isDirectory() ? '/' : stat.isSymbolicLink() ? ` -> ${readlinkSync(path)}` : ''
    say(`${modeOf(stat)}  ${indent}${name}${end}`)
    if (stat.isDirectory()) printTree(path, `${indent}    `)
  }
}

/** The installed certificate, or undefined when there is none. */
export function installed(out) {
  try {
    return new X509Certificate(readFileSync(join(out, 'cert.pem')))
  } catch {
    return undefined
  }
}

/**
 * Throws unless the installed set is whole: the key is the certificate's, the chain leads to the root in the file
 * `rootPem`, the certificate holds exactly `names`, and full.pem is key and chain.
 */
export function assertWhole(out, rootPem, names) {
  const read = (name) => readFileSync(join(out, name), 'utf8')
  const [leaf, issuer, root] = [read('cert.pem'), read('chain.pem'), readFileSync(rootPem)].map(
    (pem) => new X509Certificate(pem),
  )
  const wrong = [
    [leaf.checkPrivateKey(createPrivateKey(read('key.pem'))), 'the key is not the one of the certificate'],
    [leaf.checkIssued(issuer) && leaf.verify(issuer.publicKey), 'chain.pem did not issue cert.pem'],
    [issuer.checkIssued(root) && issuer.verify(root.publicKey), "the chain does not lead to the CA's root"],
    [leaf.subjectAltName === names.map((name) => `DNS:${name}`).join(', '), `the names are ${leaf.subjectAltName}`],
    [read('full.pem') === read('key.pem') + read('fullchain.pem'), 'full.pem is not key and chain'],
  ].find(([holds]) => !holds)
  if (wrong) throw new Error(`the installed files do not belong together: ${wrong[1]}`)
}
