// PEM texts (RFC 7468): which blocks they hold, and whether they are whole.

export interface PemBlock {
  /** As in `BEGIN <label>`. */
  readonly label: string
  /** From its BEGIN to its END, with a newline at the end. */
  readonly text: string
  /** Between the two lines. */
  readonly base64: string
}

const dashes = '-----'

/**
 * The blocks of a text in order; what stands between them is passed over. `isWhole` is false when a line of dashes belongs
 * to no block: the text was cut short or damaged there.
 */
export function readPem(text: string): { readonly blocks: readonly PemBlock[]; readonly isWhole: boolean } {
  const blocks: PemBlock[] = []
  for (let at = 0; ; ) {
    const begin = text.indexOf(dashes, at)
    if (begin < 0) return { blocks, isWhole: !/^-/m.test(text.slice(at)) }
    const start = text.indexOf(dashes, begin + dashes.length)
    const label = text.slice(begin + `${dashes}BEGIN `.length, start)
    const tail = `${dashes}END ${label}${dashes}`
    const end = text.indexOf(dashes, start + dashes.length)
    if (start < 0 || end < 0 || !text.startsWith(`${dashes}BEGIN `, begin) || !text.startsWith(tail, end))
      return { blocks, isWhole: false }
    at = end + tail.length
    blocks.push({ label, text: `${text.slice(begin, at)}\n`, base64: text.slice(start + dashes.length, end) })
  }
}

/** The CERTIFICATE blocks of a PEM text, each with a closing newline. */
export const splitPem = (text: string): string[] =>
  readPem(text).blocks.flatMap((block) => (block.label === 'CERTIFICATE' ? [block.text] : []))

/** The octets of the first block with one of these labels, or undefined. */
export function pemOctets(text: string, ...labels: readonly string[]): Buffer | undefined {
  const block = readPem(text).blocks.find(({ label }) => labels.includes(label))
  return block && Buffer.from(block.base64, 'base64')
}
