// Work on many things, a few of them at a time.

/** Names at a time that the DNS, or who changes it, is asked about. */
export const dnsLanes = 4

/** All of them, so many at a time; waits for those under way when one fails, and throws its error. */
export async function inLanes<T>(count: number, items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = items.values()
  let failed: unknown
  const lane = async () => {
    for (const item of left) {
      if (failed !== undefined) return
      try {
        await work(item)
      } catch (e) {
        failed ??= e
      }
    }
  }
  await Promise.all(Array.from({ length: count }, lane))
  if (failed !== undefined) throw failed
}
