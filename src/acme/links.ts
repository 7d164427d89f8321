// Links that come with an answer: those of its Link header (RFC 8288), and those that a CA writes into its words, such as
// the one that lifts a pause.
import { isSecure } from '../url.ts'

export interface Link {
  /** Absolute. */
  readonly url: string
  /** In lower case: `alternate`, `help`. */
  readonly relations: readonly string[]
}

/** A CA's answer has a handful, a chain of certificates some more. */
const mostLinks = 20
/** Nobody opens more of them than this. */
const mostHelp = 5

const link = /<([^>]*)>((?:\s*;\s*[^\s=;,]+(?:\s*=\s*(?:"[^"]*"|[^\s",;]*))?)*)/g
const parameter = /;\s*([^\s=;,]+)(?:\s*=\s*(?:"([^"]*)"|([^\s",;]*)))?/g

/** The links of a Link header (RFC 8288 §3), relative ones resolved by `base`; what is no link is passed over. */
export function readLinks(header: string | undefined, base: string): Link[] {
  const found = [...(header ?? '').matchAll(link)].slice(0, mostLinks)
  return found.flatMap(([, target = '', parameters = '']) => {
    const [, , quoted, bare] =
      [...parameters.matchAll(parameter)].find(([, name]) => name?.toLowerCase() === 'rel') ?? []
    const relations = (quoted ?? bare ?? '').toLowerCase().split(/\s+/)
    return URL.canParse(target, base) ? [{ url: new URL(target, base).href, relations }] : []
  })
}

/** The https URLs in a text, without the full stop after them. Visible ASCII only (RFC 3986 §2). */
export const urlsIn = (text: string): string[] =>
  (text.match(/https:\/\/[!#-;=?-[\]_a-z~]+/g) ?? []).map((url) => url.replace(/[.,;:!?)'\]]+$/, ''))

/** Where a person is to look, out of all that a CA gave: https only, each once, a few. */
export const helpful = (urls: readonly string[]): string[] =>
  [...new Set(urls)].filter((url) => isSecure(url, false)).slice(0, mostHelp)
