// The ports of http-01 and tls-alpn-01: systemd listens, while a renewal runs, and starts a responder when somebody connects.
//
// Why so: no renewal needs a right to a port, nor another port than that which all share; whoever accepted a connection on a
// socket passed to several renewals would have to answer for the others, and be there to the end. So that one process, which has
// neither keys nor a network of its own, reads what strangers send, and answers from the folder that the renewals write to.
// It is no daemon: it starts with the first connection, ends when nothing is presented any more, and the port is closed
// between renewals.
import type { Challenge, ChallengeGroup } from '../config/config.ts'
import { parseListenAddress } from '../job/listen-address.ts'
import { defaultRoots } from '../job/paths.ts'
import type { MachineUnits } from './machine-units.ts'
import { challengeService, challengeSocket, slice } from './names.ts'
import { serviceSection } from './service.ts'
import { type Line, plain, type Unit } from './text.ts'
import { startsWithoutLimit, unitSection } from './unit-section.ts'

const kinds = ['http', 'tls'] as const
type Kind = (typeof kinds)[number]

/** Seconds: longer than any order waits for a CA. It ends by itself long before; what stays would be a fault. */
const responderSeconds = 86_400

function addressFor(kind: Kind, challenge: Challenge): string | undefined {
  const isListener = challenge.kind === 'listen-http' || challenge.kind === 'listen-tls'
  return isListener && challenge.kind === `listen-${kind}` ? challenge.address : undefined
}

/** The sockets that a renewal with these challenges wants. */
export const socketsFor = (groups: readonly ChallengeGroup[]): string[] =>
  kinds
    .filter((kind) => groups.some(({ challenge }) => addressFor(kind, challenge) !== undefined))
    .map((kind) => challengeSocket(kind))

/** The units of each kind of challenge that the config listens for. */
export function challengeUnits(of: MachineUnits): Unit[] {
  const challenges = of.config.certs.flatMap((cert) => cert.challenges.map(({ challenge }) => challenge))
  return kinds.flatMap((kind) => {
    const addresses = [...new Set(challenges.flatMap((one) => addressFor(kind, one) ?? []))].sort()
    return addresses.length > 0 ? [socket(kind, addresses), responder(kind, of)] : []
  })
}

const words: Readonly<Record<Kind, string>> = { http: 'HTTP', tls: 'TLS' }

function socket(kind: Kind, addresses: readonly string[]): Unit {
  return {
    name: challengeSocket(kind),
    sections: [
      unitSection(`Listen for ACME challenges by ${words[kind]}`, [
        'Only while a renewal runs: each wants it.',
        ['StopWhenUnneeded', 'yes'],
      ]),
      {
        name: 'Socket',
        lines: [
          ...streamsOf(addresses).map((stream): Line => ['ListenStream', plain(stream)]),
          'IPv4 and IPv6, where only a port is named.',
          ['BindIPv6Only', 'both'],
          ['FileDescriptorName', kind],
          ['RemoveOnStop', 'yes'],
        ],
      },
    ],
  }
}

/** As ListenStream= has them; a port of all addresses leaves none for one of them alone. */
function streamsOf(addresses: readonly string[]): string[] {
  const parsed = addresses.map(parseListenAddress)
  const open = new Set(parsed.flatMap((one) => ('port' in one && one.host === undefined ? one.port : [])))
  const streams = parsed.flatMap((one) => {
    if ('path' in one) return one.path
    if (one.host === undefined) return String(one.port)
    if (open.has(one.port)) return []
    if (one.host === 'localhost') return [`127.0.0.1:${one.port}`, `[::1]:${one.port}`]
    return one.host.includes(':') ? `[${one.host}]:${one.port}` : `${one.host}:${one.port}`
  })
  return [...new Set(streams)]
}

function responder(kind: Kind, { config, program, systemdVersion }: MachineUnits): Unit {
  return {
    name: challengeService(kind),
    sections: [
      unitSection(`Answer ACME challenges by ${words[kind]}`, [
        startsWithoutLimit,
        'It ends with its socket, which could not be opened again before.',
        ['PartOf', challengeSocket(kind)],
        ['After', challengeSocket(kind)],
      ]),
      serviceSection({
        program: { ...program, config: undefined },
        systemdVersion,
        useRoot: config.useRoot,
        group: config.useRoot ? 'root' : 'acme',
        groups: [],
        run: ['serve-challenges', kind],
        serves: true,
        // Connections come with the socket.
        network: 'no network',
        seconds: responderSeconds,
        staysActive: false,
        state: [],
        stateMode: '0750',
        writable: [],
        readable: [],
        extra: [
          ['Slice', slice],
          'Of all that renewals know it sees the challenges alone.',
          ['InaccessiblePaths', `-${defaultRoots.jobs}`],
        ],
      }),
    ],
  }
}
