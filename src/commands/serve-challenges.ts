// The responder: started by systemd when somebody connects to a port that challenges are awaited on, it answers from the folder that all
// renewals put their challenges into, and ends as soon as there is nothing more to answer. It has no key but those of
// tls-alpn-01, no state and no network of its own; parsing what strangers send is left to it alone.
import { inheritedSockets } from '../acme/challenges/inherited.ts'
import { started } from '../acme/challenges/listeners.ts'
import { challengeServer } from '../acme/challenges/servers.ts'
import { type ListenKind, SharedAnswers } from '../acme/challenges/shared-answers.ts'
import { NixacmeError, systemWord } from '../errors.ts'
import { challengesDir } from '../job/paths.ts'
import { sleep } from '../wait.ts'
import type { Context } from './context.ts'

/** Milliseconds between two looks, and without a connection until it ends: with and without challenges in the folder. */
const look = 250
const idle = { waiting: 60_000, done: 1000 } as const

/**
 * The command: serves the sockets that it was given (sd_listen_fds(3)) until nobody needs it. Throws `usage` (64) without any,
 * `config` (78) when one of them cannot be listened on.
 */
export async function serveChallenges(kind: ListenKind, { host, roots }: Context): Promise<number> {
  const sockets = inheritedSockets(host, kind)
  if (sockets.length === 0)
    throw new NixacmeError('usage', 'serve-challenges was given no socket (LISTEN_FDS)', {
      hints: [`systemd starts it where option 'listen${kind.toUpperCase()}' is set: see nixacme-systemd(7)`],
    })
  const answers = new SharedAnswers(challengesDir(roots), kind, host.now)
  const servers = sockets.map(() => challengeServer(kind, (name) => answers.find(name)))
  try {
    for (const [i, fd] of sockets.entries()) await started(servers[i]?.server, { fd })
    await untilIdle(() => servers.some((server) => server.connections() > 0), answers, host.interrupted)
  } catch (cause) {
    if (cause instanceof NixacmeError) throw cause
    throw new NixacmeError('config', `cannot listen on what was given in LISTEN_FDS: ${systemWord(cause)}`, { cause })
  } finally {
    await Promise.all(servers.map((server) => server.close()))
  }
  return 0
}

async function untilIdle(isBusy: () => boolean, answers: SharedAnswers, signal: AbortSignal): Promise<void> {
  for (let quiet = 0; quiet < (answers.isInUse ? idle.waiting : idle.done); quiet = isBusy() ? 0 : quiet + look) {
    try {
      await sleep(look, signal)
    } catch {
      return
    }
  }
}
