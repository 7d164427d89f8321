// The listeners of this process, each address once however many certificates use it. Where somebody listens already who
// answers from the same folder (systemd's responder, another run), nothing is opened; a run that ends while others rely on
// its listener keeps it until they are done.
import * as fs from 'node:fs'
import type { Server } from 'node:net'
import { hasCode, NixacmeError, systemWord } from '../../errors.ts'
import type { ListenAddress } from '../../job/listen-address.ts'
import { sleep } from '../../wait.ts'
import { type Found, type Place, probe } from './probe.ts'
import { type ChallengeServer, challengeServer } from './servers.ts'

/** Milliseconds for somebody else's listener to go away, and between two looks. */
const patience = 120_000
const look = 250
/** Milliseconds that the runs which rely on a listener of ours are waited for: some cannot listen themselves. */
const linger = 600_000
/** From so many on it is said. */
const telling = 5_000

export interface Site extends Place {
  /** As the config has it. */
  readonly text: string
  /** Of a service manager; empty: there are none. */
  readonly inherited: readonly number[]
}

interface Listener {
  readonly servers: readonly ChallengeServer[]
  /** Whether others may rely on it: those of a service manager stay without us. */
  readonly isOurs: boolean
  /** Made while this process was root, which cannot make it again. */
  readonly isEarly: boolean
}

const listeners = new Map<string, Listener>()
/** How many certificates of this process rely on an address, whoever listens there. */
const users = new Map<string, number>()

/** Sockets that came from outside are the same whatever the config calls them. */
const keyOf = ({ kind, text, inherited }: Site): string => `${kind} ${inherited.length > 0 ? 'inherited' : text}`

/**
 * Sees to it that challenges are answered at this address. Throws `permission` (77) where this process may not listen there
 * and nobody does it for it, `later` (75) where another program keeps the address, or the signal is aborted, and `config`
 * (78) for an address that this machine does not have.
 */
export async function join(site: Site, signal: AbortSignal): Promise<void> {
  const key = keyOf(site)
  users.set(key, (users.get(key) ?? 0) + 1)
  try {
    await ensure(site, signal)
  } catch (e) {
    await leave(site, signal)
    throw e
  }
}

/** The same for who has joined: where others have listened for us, they may have ended since. Throws as `join`. */
export async function ensure(site: Site, signal: AbortSignal): Promise<void> {
  if (!listeners.has(keyOf(site))) await open(site, signal)
}

/**
 * For who has joined, now and then: says that `names` are still asked for, so that whoever listens for us goes on; and where
 * he has ended all the same, as a killed run does, we listen, if we may. Never throws.
 */
export async function hold(site: Site, names: Iterable<string>): Promise<void> {
  const key = keyOf(site)
  site.answers.refresh(names)
  if (site.inherited.length > 0 || listeners.has(key)) return
  try {
    await listen(site)
  } catch {
    // As a rule: he does listen.
    return
  }
  // Our last user may have left meanwhile, who found nothing to end.
  if (users.get(key) === 0) await end(key)
}

/** Ends what `join` has begun: with the last user the listener goes, and every connection. */
export async function leave(site: Site, signal: AbortSignal): Promise<void> {
  const key = keyOf(site)
  users.set(key, (users.get(key) ?? 0) - 1)
  const known = listeners.get(key)
  if (!known) return
  if (known.isOurs) await untilUnused(site, signal)
  if (known.isEarly || users.get(key) !== 0 || listeners.get(key) !== known) return
  // From the last look at the folder to here nobody could be answered: who presents later finds nobody, and listens itself.
  await end(key)
}

async function end(key: string): Promise<void> {
  const servers = listeners.get(key)?.servers ?? []
  listeners.delete(key)
  await Promise.all(servers.map((server) => server.close()))
}

/**
 * Listens before root is given up, where only root may. Such a listener stays to the end of the process, which it does not
 * hold up. What cannot be opened is asked for again, and told, when it is needed.
 */
export async function openEarly(site: Site): Promise<void> {
  if (listeners.has(keyOf(site))) return
  try {
    for (const { server } of await listen(site, true)) server.unref()
  } catch {
    // Perhaps systemd has it, or another run: then that is found out by asking.
  }
}

async function untilUnused(site: Site, signal: AbortSignal): Promise<void> {
  const isFree = () => users.get(keyOf(site)) === 0
  for (let waited = 0; waited < linger && isFree() && site.answers.isInUse; waited += look) {
    if (waited === telling) site.log.waiting(`waiting: another run is answered by our listener on '${site.text}'`)
    try {
      await sleep(look, signal)
    } catch {
      return
    }
  }
}

async function open(site: Site, signal: AbortSignal): Promise<void> {
  for (let waited = 0; ; waited += look) {
    try {
      await listen(site)
      return
    } catch (e) {
      // Another certificate of this process was faster.
      if (listeners.has(keyOf(site))) return
      if (!hasCode(e, 'EADDRINUSE', 'EACCES')) throw cannotListen(site, e)
      const found = await probe(site, signal)
      if (found === 'ours') return
      if (hasCode(e, 'EACCES')) throw notAllowed(site, found, e)
      if (found === 'nobody') removeStale(site)
      if (waited >= patience) throw taken(site, e)
      if (waited === 0) site.log.waiting(`waiting until another program stops listening on '${site.text}'`)
      await sleep(look, signal)
    }
  }
}

/** Throws the system's error. */
async function listen(site: Site, isEarly = false): Promise<readonly ChallengeServer[]> {
  const { kind, answers, inherited, address } = site
  const handles = inherited.length > 0 ? inherited.map((fd) => ({ fd })) : [address]
  const servers = handles.map(() => challengeServer(kind, (name) => answers.find(name)))
  try {
    for (const [i, handle] of handles.entries()) await started(servers[i]?.server, handle)
  } catch (e) {
    await Promise.all(servers.map((server) => server.close()))
    throw e
  }
  listeners.set(keyOf(site), { servers, isOurs: inherited.length === 0, isEarly })
  return servers
}

/** Resolves when the server listens; rejects with the system's error. */
export function started(server: Server | undefined, where: ListenAddress | { readonly fd: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    if (!server) return resolve()
    server.once('error', reject)
    server.listen(where, () => {
      server.removeListener('error', reject)
      // A listener that breaks later takes no connections any more; the CA will tell.
      server.on('error', () => {})
      // A web server of another user is the one that asks; what is answered is no secret.
      if ('path' in where) fs.chmodSync(where.path, 0o666)
      resolve()
    })
  })
}

/** The socket of a run that was killed. Throws `permission` (77) where it is another user's. */
function removeStale(site: Site): void {
  const { address } = site
  try {
    if ('path' in address && fs.lstatSync(address.path, { throwIfNoEntry: false })?.isSocket())
      fs.rmSync(address.path, { force: true })
  } catch (e) {
    throw notAllowed(site, 'nobody', e)
  }
}

const whoMay = ({ kind, address }: Site): string =>
  'path' in address
    ? `in units systemd makes the socket; by hand user 'acme' does, or root with 'useRoot', and its folder must be there and let him`
    : `in units systemd listens: 'systemctl status acme-${kind}.socket' tells why it does not; by hand only root may`

function notAllowed(site: Site, found: Found, cause: unknown): NixacmeError {
  const who = found === 'others' ? 'another program answers there' : 'nobody else does it for us'
  return new NixacmeError('permission', `cannot listen on '${site.text}': ${systemWord(cause)}, and ${who}`, {
    cause,
    hints: [whoMay(site)],
  })
}

const taken = ({ text }: Site, cause: unknown): NixacmeError =>
  new NixacmeError('later', `cannot listen on '${text}': another program does, for more than ${patience / 1000} s`, {
    cause,
    hints: ["'ss -ltnp' tells which; let it serve the challenges (option 'webroot'), or end it"],
  })

const cannotListen = ({ text }: Site, cause: unknown): NixacmeError =>
  cause instanceof NixacmeError
    ? cause
    : new NixacmeError('config', `cannot listen on '${text}': ${systemWord(cause)}`, { cause })
