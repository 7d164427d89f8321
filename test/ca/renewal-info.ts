// When the CA would have a certificate renewed (RFC 9773): for everybody who knows its identifier.
import { readLeaf } from '../../src/certificate/read.ts'
import { type Answer, jsonAnswer } from './answer.ts'
import { notFound } from './problem.ts'
import type { World } from './world.ts'

/** Boulder's: two percent of the lifetime, round two thirds of it. */
export function usualWindow({ notBefore, notAfter }: { notBefore: Date; notAfter: Date }): { start: Date; end: Date } {
  const lifetime = notAfter.getTime() - notBefore.getTime()
  const middle = notAfter.getTime() - lifetime / 3
  return { start: new Date(middle - lifetime / 100), end: new Date(middle + lifetime / 100) }
}

export function renewalInfo({ store, settings }: World, path: string): Answer {
  const id = path.slice(path.lastIndexOf('/') + 1)
  const { renewalInfo: about } = settings
  const certificate = store.certificates.all.find(({ issued }) => readLeaf(issued.leaf).facts.renewalId === id)
  if (!about || !certificate) throw notFound('certificate')
  const { window = usualWindow(certificate.issued.validity), explanationURL, retryAfter } = about
  const headers = retryAfter === null ? {} : { 'Retry-After': String(retryAfter) }
  return jsonAnswer(200, { suggestedWindow: window, ...(explanationURL && { explanationURL }) }, headers)
}
