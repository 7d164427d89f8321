// Passes on, octet by octet, what comes by UDP and TCP to an address of the loopback network: BIND listens only at addresses
// that an interface has, and these need not be given to one.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { rcodeOf } from '../../src/acme/dns/message.ts'
import { decodeMessage, flagBits } from '../../src/acme/dns/wire.ts'

interface Ending {
  after(action: () => void | Promise<void>): void
}

export interface Place {
  readonly address: string
  readonly port: number
}

/** Resolves when it listens; ends with the test. `pass` sees what comes back by UDP, and may change it. */
export async function relay(t: Ending, from: Place, to: Place, pass = (answer: Buffer) => answer): Promise<void> {
  await Promise.all([relayUdp(t, from, to, pass), relayTcp(t, from, to)])
}

/**
 * A resolver as far as can be told from outside: what it passes on is not its own. Gives the names that it was asked to look
 * up and that were not there: a real one would keep those, and some (RFC 8020) that there is nothing below them.
 */
export async function relayAsResolver(t: Ending, from: Place, to: Place): Promise<Set<string>> {
  const absent = new Set<string>()
  await relay(t, from, to, (answer) => {
    const message = decodeMessage(answer)
    const name = message?.questions[0]?.name
    if (!message || name === undefined) throw new Error('an answer that cannot be read')
    if (rcodeOf(message.flags) === 'NXDOMAIN' && (message.flags & flagBits.recursive) !== 0) absent.add(name)
    const changed = Buffer.from(answer)
    changed.writeUInt16BE(message.flags & ~flagBits.authoritative, 2)
    return changed
  })
  return absent
}

/** Each question by a socket of its own, so that the answer finds back. */
async function relayUdp(t: Ending, from: Place, to: Place, pass: (answer: Buffer) => Buffer): Promise<void> {
  const outside = createSocket('udp4')
  const asking = new Set<ReturnType<typeof createSocket>>()
  outside.on('message', (question, who) => {
    const inside = createSocket('udp4')
    asking.add(inside)
    inside.once('message', (answer) => {
      outside.send(pass(answer), who.port, who.address)
      inside.close()
    })
    inside.once('close', () => asking.delete(inside))
    inside.send(question, to.port, to.address)
  })
  outside.bind(from.port, from.address)
  await once(outside, 'listening')
  t.after(() => {
    for (const socket of [outside, ...asking]) socket.close()
  })
}

async function relayTcp(t: Ending, from: Place, to: Place): Promise<void> {
  const open = new Set<Socket>()
  const server = createServer((outside) => {
    const inside = connect(to.port, to.address)
    for (const [one, other] of [
      [outside, inside],
      [inside, outside],
    ] as const) {
      open.add(one)
      one.pipe(other)
      one.on('error', () => other.destroy()).once('close', () => open.delete(one))
    }
  })
  server.listen(from.port, from.address)
  await once(server, 'listening')
  t.after(() => {
    for (const socket of open) socket.destroy()
    server.close()
  })
}
