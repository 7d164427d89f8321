// A reader of DER (X.690), just large enough to look into keys and certificates. Node's own X.509 reader costs as much
// start-up time as the rest of a run that has nothing to do.

/** Tags of X.690 §8, and the context-specific ones of X.509 and SEC 1. */
export const tag = {
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  context0: 0xa0,
  context1: 0xa1,
  context3: 0xa3,
  /** dNSName in a GeneralName (RFC 5280 §4.2.1.6). */
  dnsName: 0x82,
  /** iPAddress in a GeneralName. */
  ipAddress: 0x87,
  /** keyIdentifier in an AuthorityKeyIdentifier (RFC 5280 §4.2.1.1). */
  keyIdentifier: 0x80,
} as const

export interface Element {
  readonly tag: number
  /** The content octets. */
  readonly content: Buffer
}

/** All elements in `bytes`, one after the other. Throws RangeError when they do not fill it exactly. */
export function elements(bytes: Buffer): Element[] {
  const found: Element[] = []
  for (let at = 0; at < bytes.length; ) {
    const [tagOctet = 0, first = 0] = [bytes[at], bytes[at + 1]]
    const octets = first & 0x80 ? first & 0x7f : 0
    if (first === 0x80 || octets > 4) throw new RangeError('a length that DER does not allow')
    const start = at + 2 + octets
    let length = octets === 0 ? first : 0
    for (const octet of bytes.subarray(at + 2, start)) length = length * 256 + octet
    const end = start + length
    if (end > bytes.length) throw new RangeError('cut short')
    found.push({ tag: tagOctet, content: bytes.subarray(start, end) })
    at = end
  }
  return found
}

/** The elements inside the one element that `bytes` is. */
export function inside(bytes: Buffer, wanted: number): Element[] {
  const [only, more] = elements(bytes)
  if (only?.tag !== wanted || more) throw new RangeError(`tag ${wanted} expected`)
  return elements(only.content)
}

/** `list[index]`, which must have this tag. */
export function element(list: readonly Element[], index: number, wanted: number): Buffer {
  const found = list[index]
  if (found?.tag !== wanted) throw new RangeError(`tag ${wanted} expected`)
  return found.content
}
