// A question to one name server, over whatever way its answer fits.
import { type ExchangeOptions, overTcp, overUdp } from './exchange.ts'
import { decodeAnswer, encodeQuestion, type Message, type Question, randomId } from './message.ts'
import type { ServerAddress } from './server-address.ts'

/** Seconds that an answer by UDP is waited for, unless told; by TCP, which repeats what was lost itself. */
const udpSeconds = 2
const tcpSeconds = 5

/**
 * Asks once: by UDP, and by TCP what is cut short. Throws Silence when no answer comes, `config` (78) for a name that fits
 * into no message, and the signal's reason when it is aborted.
 */
export async function query(
  server: ServerAddress,
  question: Question,
  signal: AbortSignal,
  seconds = udpSeconds,
): Promise<Message> {
  const once = async (edns: boolean): Promise<Message> => {
    const id = randomId()
    const bytes = encodeQuestion(question, id, edns)
    const options: ExchangeOptions<Message> = {
      accept: (answer) => decodeAnswer(answer, question, id),
      seconds,
      signal,
    }
    const answer = await overUdp(server, bytes, options)
    return answer.isTruncated ? overTcp(server, bytes, { ...options, seconds: tcpSeconds }) : answer
  }
  const answer = await once(true)
  // A server from before EDNS (RFC 6891 §7).
  return answer.rcode === 'FORMERR' || answer.rcode === 'NOTIMP' ? once(false) : answer
}
