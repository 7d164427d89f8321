// What services find in `out/`: read by the names that they open, links followed as they follow them. Reads only.
import * as fs from 'node:fs'
import { type PemBlock, readPem, splitPem } from '../certificate/pem.ts'
import { judgeLeaf, type LeafFacts, type LeafJudgement, readLeaf } from '../certificate/read.ts'
import { readError } from '../errors.ts'
import { orAbsent, under } from '../fs.ts'
import type { Files } from './generations.ts'

/** The names that services open, in the order in which they appear. */
export const installedNames = ['key.pem', 'fullchain.pem', 'chain.pem', 'cert.pem', 'full.pem'] as const

export type Installed =
  /** No certificate at all. */
  | { readonly kind: 'nothing' }
  /** A set that belongs together; `facts.preliminary` tells whether it is the real one. `leaf` is PEM. */
  | { readonly kind: 'whole'; readonly facts: LeafFacts; readonly leaf: string }
  /** Anything else. `isPreliminary`: every certificate that can be read in it is a local CA's. `flaw` is a clause. */
  | { readonly kind: 'torn'; readonly isPreliminary: boolean; readonly flaw: string }

/** The content of each name that is there. Throws `data` (65) or `permission` (77) for what cannot be read. */
export function shown(out: string): Files {
  const files = new Map<string, Buffer>()
  for (const name of installedNames) {
    const path = under(out, name)
    try {
      const content = orAbsent(() => fs.readFileSync(path))
      if (content) files.set(name, content)
    } catch (e) {
      throw readError(path, e, [`move '${path}' away: it is not what nixacme put there`])
    }
  }
  return files
}

function judge(files: Files): LeafJudgement | undefined {
  const [key, fullchain] = [files.get('key.pem')?.toString(), files.get('fullchain.pem')?.toString()]
  if (key === undefined || fullchain === undefined) return undefined
  return judgeLeaf({ key, chain: splitPem(fullchain) })
}

/** The facts of the certificate shown, when its key is beside it. */
export function factsOf(files: Files): LeafFacts | undefined {
  const judged = judge(files)
  return judged && 'facts' in judged ? judged.facts : undefined
}

/** Judges all of `out/`. Throws as `shown` does. */
export function readInstalled(out: string): Installed {
  const files = new Map([...shown(out)].filter(([, content]) => content.length > 0))
  const [, ...others] = installedNames
  const found = others.flatMap((name) => files.get(name)?.toString() ?? []).map(readPem)
  // A lone key is what a kill leaves of a set of minica's: it writes the key first.
  if (found.length === 0) return { kind: 'nothing' }
  const flaw = flawOf(files)
  const facts = factsOf(files)
  if (flaw === undefined && facts) {
    const [leaf = ''] = splitPem(files.get('fullchain.pem')?.toString() ?? '')
    return { kind: 'whole', facts, leaf }
  }
  const certificates = found.flatMap(({ blocks }) => blocks).filter(({ label }) => label === 'CERTIFICATE')
  const issuers = certificates.flatMap(isPreliminary)
  const isOurs = issuers.length > 0 && issuers.every(Boolean)
  return { kind: 'torn', isPreliminary: isOurs, flaw: flaw ?? 'its parts do not belong together' }
}

/** [whether it is a local CA's]; [] when it cannot be read. */
function isPreliminary({ text }: PemBlock): boolean[] {
  try {
    return [readLeaf(text).facts.preliminary]
  } catch {
    return []
  }
}

/** Why the files are no whole set, as a clause; undefined when they are one. */
function flawOf(files: Files): string | undefined {
  const missing = installedNames.find((name) => name !== 'chain.pem' && !files.has(name))
  if (missing !== undefined) return `'${missing}' is missing or empty`
  const judged = judge(files)
  if (judged && 'flaw' in judged) return judged.flaw
  const text = (name: string): string => files.get(name)?.toString() ?? ''
  const fullchain = text('fullchain.pem')
  const chain = readPem(text('chain.pem'))
  // Where the CA signs without an intermediate, chain.pem is empty.
  const hasChain = chain.blocks.length > 0 || splitPem(fullchain).length === 1
  if (!readPem(fullchain).isWhole || !chain.isWhole || !hasChain) return 'the chain is damaged or cut short'
  if (splitPem(text('cert.pem'))[0] !== splitPem(fullchain)[0]) return "'cert.pem' is another certificate"
  return text('full.pem') === text('key.pem') + fullchain ? undefined : "'full.pem' is not key and chain"
}
