// Are the files of `caCertificates` what they are said to be? Told at the config, not when the CA cannot be reached.
import { X509Certificate } from 'node:crypto'
import type { Findings } from './faults.ts'
import type { RawSection } from './merge.ts'
import { readRegular } from './regular-file.ts'
import { placeOf } from './section.ts'
import { absolutePath } from './syntax.ts'

const key = 'caCertificates'

/** Looks into each file once, and tells of it where it is named first. */
export function assertRoots(sections: readonly RawSection[], findings: Findings): void {
  const seen = new Set<string>()
  for (const section of sections) {
    const list = section.options.get(key)?.value
    if (list?.kind !== 'list') continue
    list.items.forEach((item, i) => {
      const path = item.kind === 'scalar' ? item.value : undefined
      // What is no path at all is a fault already.
      if (typeof path !== 'string' || absolutePath(path) !== undefined || seen.has(path)) return
      seen.add(path)
      const place = placeOf(section, key, [i])
      const text = readRegular(path, place, `'${path}'`, findings)?.toString('latin1')
      const wrong = text === undefined ? undefined : wrongWithPem(text)
      if (wrong !== undefined) findings.fault(place, `'${path}' ${wrong}`)
    })
  }
}

/** Undefined, or what is wrong with the text of a PEM file of certificates (RFC 7468): one at least, each whole. */
export function wrongWithPem(text: string): string | undefined {
  const begins = text.match(/-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----/g)?.length ?? 0
  if (begins === 0) return 'holds no PEM certificate (expected -----BEGIN CERTIFICATE-----)'
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? []
  if (blocks.length < begins)
    return `is cut off or mixed up: ${begins} certificates begin in it, ${blocks.length} are whole`
  const broken = blocks.findIndex((block) => !isCertificate(block))
  return broken < 0 ? undefined : `is broken: its certificate number ${broken + 1} cannot be read`
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0
  } catch {
    return false
  }
}
