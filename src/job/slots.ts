// Which lock file a certificate's work runs under: decided when the config is compiled, so that no process needs to know the others.

/** Byte order of the UTF-8 strings: the order of Nix attribute names. */
export const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))

/**
 * The home slot of each certificate: number i of the names in byte order gets slot (i mod N) + 1 (contract 1.13).
 * `limit` ≤ 0 means no limit: an empty map.
 */
export function assignSlots(certs: readonly string[], limit: number): ReadonlyMap<string, number> {
  if (limit <= 0) return new Map()
  return new Map([...certs].sort(byBytes).map((cert, i) => [cert, (i % limit) + 1]))
}
