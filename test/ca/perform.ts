// What each fault does to one exchange.
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { type Answer, jsonAnswer, problemAnswer } from './answer.ts'
import type { Exchange, FaultAction } from './faults.ts'
import { problemUrn } from './problem.ts'

const nothing: Answer = { status: 0, headers: {}, body: '', bare: true }

/** The answer that the client gets instead of, or made of, the right one. */
export async function perform(fault: FaultAction, { next, url, flawed }: Exchange): Promise<Answer> {
  switch (fault.do) {
    case 'answer':
      if (fault.when === 'after') await next()
      return { status: fault.status, headers: fault.headers ?? {}, body: fault.body ?? '', bare: true }
    case 'problem': {
      const { type, status = 400, detail = 'a fault of the test', retryAfter, subproblems } = fault
      const subs = subproblems?.map((sub) => ({ ...sub, type: problemUrn(sub.type) }))
      return problemAnswer(
        { type: problemUrn(type), status, detail, ...(subs && { subproblems: subs }) },
        retryAfter === undefined ? {} : { 'Retry-After': String(retryAfter) },
      )
    }
    case 'bad-nonce':
      return problemAnswer({ type: problemUrn('badNonce'), status: 400, detail: 'the nonce is too old' })
    case 'drop':
      if (fault.when === 'after') await next()
      return { ...nothing, transport: 'drop' }
    case 'cut':
      return { ...(await next()), transport: 'cut' }
    case 'drip':
      return { ...(await next()), transport: 'drip' }
    case 'mute':
      return { ...nothing, transport: 'mute' }
    case 'delay':
      // Without a reference, so that a CA that is closed meanwhile does not hold the process.
      await sleep(fault.ms, undefined, { ref: false })
      return next()
    case 'half-json': {
      const answer = await next()
      return { ...answer, body: answer.body.slice(0, Math.floor(answer.body.length / 2)) }
    }
    case 'html': {
      const body = '<!DOCTYPE html><html><body><h1>Welcome to the hotel Wi-Fi</h1></body></html>'
      return { status: 200, headers: { 'Content-Type': 'text/html; charset=utf-8' }, body, bare: true }
    }
    case 'content-type':
      return withHeaders(await next(), { 'Content-Type': fault.value })
    case 'without-headers': {
      const answer = await next()
      const kept = Object.entries(answer.headers).filter(([name]) => !fault.names.includes(name))
      return { ...answer, headers: Object.fromEntries(kept), bare: fault.names.includes('Replay-Nonce') }
    }
    case 'patch':
      return edited(await next(), (json) => {
        const entries = Object.entries({ ...json, ...fault.json })
        return Object.fromEntries(entries.filter(([, value]) => value !== null))
      })
    case 'token':
      return edited(await next(), (json) => {
        const challenges = (json['challenges'] ?? []) as Record<string, unknown>[]
        return { ...json, challenges: challenges.map((c) => ('token' in c ? { ...c, token: fault.token } : c)) }
      })
    case 'huge':
      return jsonAnswer(200, 'x'.repeat(Math.max(0, fault.bytes - 2)))
    case 'gzip-bomb': {
      const headers = { 'Content-Type': 'application/json', 'Content-Encoding': 'gzip' }
      return { status: 200, headers, body: gzipSync(Buffer.alloc(fault.bytes, ' ')) }
    }
    case 'redirect':
      return { status: 307, headers: { Location: url }, body: '', bare: true }
    case 'certificate':
      return flawed(fault.flaw)
  }
}

const withHeaders = (answer: Answer, headers: Record<string, string>): Answer => ({
  ...answer,
  headers: { ...answer.headers, ...headers },
})

const edited = (answer: Answer, change: (json: Record<string, unknown>) => unknown): Answer => ({
  ...answer,
  body: JSON.stringify(change(JSON.parse(answer.body.toString()) as Record<string, unknown>)),
})
