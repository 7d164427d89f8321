// What CAs allow, as each certificate may use it. A CA counts over all certificates of a machine, and the runs of one see
// nothing of another's: their units hide the folders from each other. So what several have in common is dealt out here.

/** What one CA is asked for by one certificate at most. */
export interface Limits {
  /** Orders of its set of names in 7 days. */
  readonly orders: number
  /** Failed validations of one of its names in an hour. */
  readonly validations: number
}

/** Let's Encrypt: 5 certificates of one exact set of names in 7 days, 5 failed validations of one name in an hour. */
export const allowed = 5

/** The set of names as one text. */
export const nameSet = (names: readonly string[]): string => [...names].sort().join(' ')

/** A name as a CA validates it: a wildcard at the name below it. */
export const provenName = (name: string): string => name.replace(/^\*\./, '')

/** Names as a CA validates them, each once. */
export const provenNames = (names: readonly string[]): string[] => [...new Set(names.map(provenName))]

/** What is asked for, by one certificate. */
export interface Claim {
  /** The certificate's name. */
  readonly cert: string
  /** Identifiers. */
  readonly names: readonly string[]
  /** Directory URLs of the CAs that may be asked. */
  readonly directories: readonly string[]
}

/** What is left over goes to those that come first; whoever comes after the last gets one all the same. */
const share = (sharers: number, place: number): number => Math.max(1, Math.ceil((allowed - place) / sharers))

const keyOf = (url: string, what: string): string => `${new URL(url).href} ${what}`

/** Deals out what is allowed for each of the things that `keysOf` finds in a claim: what `cert` may use of one. */
function deal(claims: readonly Claim[], keysOf: (claim: Claim) => readonly string[]) {
  const sharers = new Map<string, string[]>()
  for (const claim of claims)
    for (const key of claim.directories.flatMap((url) => keysOf(claim).map((what) => keyOf(url, what))))
      sharers.set(key, [...(sharers.get(key) ?? []), claim.cert])
  return (cert: string, url: string, what: string): number => {
    const all = sharers.get(keyOf(url, what)) ?? []
    return share(all.length, all.indexOf(cert))
  }
}

/**
 * The limits of each certificate at one of its CAs. Together they keep to what a CA allows for as long as no more than
 * `allowed` certificates want the same. Pure.
 */
export function dealLimits(claims: readonly Claim[]): (claim: Claim, directory: string) => Limits {
  const orders = deal(claims, ({ names }) => [nameSet(names)])
  const validations = deal(claims, ({ names }) => provenNames(names))
  return ({ cert, names }, directory) => ({
    orders: orders(cert, directory, nameSet(names)),
    validations: Math.min(...provenNames(names).map((name) => validations(cert, directory, name))),
  })
}
