// A change to a zone by message (RFC 2136), signed where there is a key, and believed to be done only where the answer is
// signed, too.
import { NixacmeError } from '../../errors.ts'
import { type ExchangeOptions, overTcp, overUdp, Silence } from './exchange.ts'
import { randomId, rcodeOf } from './message.ts'
import { type ServerAddress, show } from './server-address.ts'
import { signed, type TsigKey, type Verification, verify } from './tsig.ts'
import { classes, decodeMessage, encodeMessage, flagBits, opcodes, types, type WireRecord } from './wire.ts'

export interface Update {
  readonly server: ServerAddress
  readonly zone: string
  /** What must hold before (RFC 2136 §2.4), and what is changed (§2.5). */
  readonly prerequisites: readonly WireRecord[]
  readonly changes: readonly WireRecord[]
  readonly key: TsigKey | undefined
  /** For one attempt. */
  readonly seconds: number
  now(): Date
  readonly signal: AbortSignal
}

/** Bytes of a message by UDP without EDNS (RFC 1035 §2.3.4). */
const mostOverUdp = 512

interface Reply {
  readonly rcode: string
  readonly isTruncated: boolean
  readonly verification: Verification | undefined
}

/**
 * Sends the update, by UDP and then by TCP: a second time it changes nothing more. Gives the server's result when that is
 * neither NOERROR nor a matter of signatures. Throws `refused` (76) where it says no to the key, `unavailable` (69) for no
 * answer or one that is not its own, and the signal's reason when it is aborted.
 */
export async function sendUpdate(update: Update): Promise<string | undefined> {
  const { rcode, verification } = await exchange(update)
  const fault = verification && signatureFault(verification, update, rcode)
  if (fault) throw fault
  return rcode === 'NOERROR' ? undefined : rcode
}

async function exchange(update: Update): Promise<Reply> {
  const attempts = [overUdp, overTcp] as const
  let last: Silence | undefined
  for (const attempt of attempts) {
    const { bytes, options } = messageOf(update)
    if (attempt === overUdp && bytes.length > mostOverUdp) continue
    try {
      const reply = await attempt(update.server, bytes, options)
      if (attempt === overTcp || !reply.isTruncated) return reply
    } catch (e) {
      if (!(e instanceof Silence)) throw e
      last = e
    }
  }
  const where = `'${show(update.server)}'`
  throw new NixacmeError('unavailable', `the name server ${where} gives no answer to an update: ${last?.message}`, {
    hints: [`check that ${where} can be reached from this machine, by UDP and TCP`],
  })
}

function messageOf({ zone, prerequisites, changes, key, seconds, now, signal }: Update) {
  const id = randomId()
  const message = encodeMessage({
    id,
    flags: opcodes.update,
    questions: [{ name: zone, type: types.SOA, class: classes.IN }],
    answers: prerequisites,
    authorities: changes,
    additionals: [],
  })
  const { bytes, mac } = key ? signed(message, key, now()) : { bytes: message, mac: undefined }
  const accept = (answer: Buffer): Reply | undefined => {
    const reply = decodeMessage(answer)
    if (!reply || reply.id !== id || !(reply.flags & flagBits.response)) return undefined
    const verification = key && mac ? verify(answer, { key, mac, now: now() }) : undefined
    // A wrong signature may be somebody else's: the server's own answer may still come.
    if (verification?.kind === 'forged') return undefined
    return { rcode: rcodeOf(reply.flags), isTruncated: (reply.flags & flagBits.truncated) !== 0, verification }
  }
  const options: ExchangeOptions<Reply> = { accept, seconds, signal }
  return { bytes, options }
}

function signatureFault(verification: Verification, { server, key }: Update, rcode: string): NixacmeError | undefined {
  const where = `the name server '${show(server)}'`
  const whose = `the TSIG key '${key?.name}' (${key?.algorithm})`
  const refused = (words: string, hint: string) =>
    new NixacmeError('refused', `${where} refused ${whose}: ${words}`, { hints: [hint] })
  switch (verification.kind) {
    case 'good':
    case 'forged':
      return undefined
    case 'unsigned':
      // Of a no it does not matter who says it.
      return rcode === 'NOERROR'
        ? new NixacmeError('unavailable', `${where} does not sign its answers, though the update was signed`)
        : undefined
    case 'old':
      return new NixacmeError(
        'unavailable',
        `the clocks of ${where} and this machine are ${verification.seconds} s apart`,
      )
    case 'refused':
      break
  }
  const { word } = verification
  if (word === 'BADKEY')
    return refused(
      `${word}, no such key, or not for this`,
      'give the name and the algorithm of a key that may change the zone',
    )
  if (word === 'BADSIG') return refused(`${word}, another secret`, 'give the secret that the server has for this key')
  if (word === 'BADTIME')
    return refused(`${word}, the clocks are apart`, "check this machine's clock, and the server's")
  return refused(word, 'the log of the server may tell more')
}
