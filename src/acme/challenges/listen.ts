// http-01 and tls-alpn-01 by a listener of our own (options listenHTTP, listenTLS). The answers lie in a folder that all
// runs share, since whoever holds the port answers for all of them.
import { NixacmeError } from '../../errors.ts'
import { parseListenAddress } from '../../job/listen-address.ts'
import type { Log } from '../../log.ts'
import { sleep } from '../../wait.ts'
import { ensure, hold, join, leave, openEarly, type Site } from './listeners.ts'
import { tlsAnswer } from './probe.ts'
import { type ListenKind, SharedAnswers } from './shared-answers.ts'
import { sniOf } from './sni.ts'
import type { Note, Presentation, Solver } from './solver.ts'

export interface ListenOptions {
  readonly kind: ListenKind
  /** As in the config: `:80`, `[::1]:8080`, `/run/acme.sock`. */
  readonly address: string
  /** `<runtime>/challenges` */
  readonly folder: string
  /** File descriptors of listening sockets that a service manager has given us. */
  readonly inherited: readonly number[]
  now(): Date
  readonly signal: AbortSignal
  readonly log: Log
}

/** Milliseconds: another order proves the same name by TLS, and must be done first. */
const patience = 120_000
const look = 250
/** Milliseconds between two words that an answer is still asked for. */
const pulse = 1000

const hints: Readonly<Record<ListenKind, string>> = {
  http: "the CA must be able to fetch 'http://<name>/.well-known/acme-challenge/<token>' on port 80",
  tls: 'the CA must be able to connect to port 443 of the name, by TLS that nothing between ends',
}

const siteOf = ({ kind, address: text, folder, inherited, now, log }: Omit<ListenOptions, 'signal'>): Site => ({
  kind,
  text,
  address: parseListenAddress(text),
  answers: new SharedAnswers(folder, kind, now),
  inherited,
  now,
  log,
})

/** Listens from now to the end of the process, if that is possible: `join` will find it. For root, who will be somebody else. */
export const listenEarly = (options: Omit<ListenOptions, 'signal'>): Promise<void> => openEarly(siteOf(options))

export function listenSolver(options: ListenOptions): Solver {
  const { kind, signal, log, now } = options
  const site = siteOf(options)
  const { answers } = site
  const presented = new Set<string>()
  let hasJoined = false
  let holding: NodeJS.Timeout | undefined

  /** Two orders cannot show a certificate each under one name: who comes second waits. */
  const untilFree = async (name: string) => {
    for (let waited = 0; !presented.has(name) && answers.find(name) !== undefined; waited += look) {
      if (waited >= patience)
        throw new NixacmeError(
          'later',
          `another run proves '${name}' by tls-alpn-01 for more than ${patience / 1000} s`,
        )
      if (waited === 0) log.waiting(`waiting: another run proves '${name}' by tls-alpn-01`)
      await sleep(look, signal)
    }
  }
  const put = async ({ name, token, keyAuthorization }: Presentation, note: Note) => {
    const file = fileFor(kind, name, token)
    const content = kind === 'http' ? keyAuthorization : await tlsAnswer(name, keyAuthorization, now())
    if (kind === 'tls') await untilFree(file)
    // Only now: till then what lies there is another run's.
    note([{ kind: 'answer', path: answers.path(file) }])
    presented.add(file)
    answers.put(file, content)
  }
  return {
    type: kind === 'http' ? 'http-01' : 'tls-alpn-01',
    hint: `${hints[kind]}: what comes there must reach '${site.text}' of this machine`,

    async prepare() {
      answers.prepare()
      await join(site, signal)
      hasJoined = true
    },

    async present(presentations, note) {
      for (const presentation of presentations) await put(presentation, note)
      // Whoever has listened for us till now may have ended; from here on he sees that somebody relies on him.
      if (hasJoined) await ensure(site, signal)
      // A second order of this run.
      else await join(site, signal)
      hasJoined = true
      holding ??= setInterval(() => hold(site, presented), pulse)
    },

    async close() {
      clearInterval(holding)
      holding = undefined
      for (const file of presented) answers.remove(file, log)
      presented.clear()
      if (hasJoined) await leave(site, signal)
      hasJoined = false
    },
  }
}

const fileFor = (kind: ListenKind, name: string, token: string): string => (kind === 'http' ? token : sniOf(name))
