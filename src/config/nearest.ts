// The known name that a mistyped one is nearest to.

/** Restricted Damerau-Levenshtein distance: insertions, deletions, replacements, swaps of neighbours. */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (last[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      let least = Math.min(replaced, (last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        least = Math.min(least, (beforeLast[j - 2] ?? 0) + 1)
      row.push(least)
    }
    beforeLast = last
    last = row
  }
  return last[b.length] ?? a.length
}

/** `extra_domain_names`, `ExtraDomainNames` and `extra-domain-names` are one name in different habits. */
const bare = (name: string): string => name.toLowerCase().replace(/[-_]/g, '')

/** The candidate with the least distance, or undefined when none is near: more than a third of the letters differ. */
export function nearest(name: string, candidates: Iterable<string>): string | undefined {
  const wanted = bare(name)
  // Longer than any option by far: nothing is near, and the distance would cost time.
  if (wanted.length > 64) return undefined
  let best: string | undefined
  let least = Math.max(1, Math.floor(wanted.length / 3)) + 1
  for (const candidate of candidates) {
    const distance = editDistance(wanted, bare(candidate))
    if (distance < least) {
      least = distance
      best = candidate
    }
  }
  return best
}
