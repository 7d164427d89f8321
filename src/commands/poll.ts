// `nixacme poll`: asks the CAs when they want certificates renewed (RFC 9773), where it is time to ask, and marks those
// whose time has come. It needs no key, no job and no config: all it reads and writes are the files in .renewal-info, and the
// names that it leaves for start-due. One process for all certificates, offline for most of its runs.
import * as fs from 'node:fs'
import type { Inquiry, RenewalReply } from '../acme/renewal-info.ts'
import { exitStatuses, NixacmeError, writeError } from '../errors.ts'
import { ensureDir, lstatIfThere, under } from '../fs.ts'
import { dueDir, renewalInfoDir } from '../job/paths.ts'
import { isDue, isToAsk, learned, type RenewalInfo, renewalInstant } from '../renewal/renewal-info.ts'
import { readWatch, updateWatch, watchedCerts, watchOf, watchPath } from '../renewal/renewal-info-file.ts'
import { isoMinute } from '../time.ts'
import { interruptedError } from '../wait.ts'
import type { Context } from './context.ts'
import { acmeUser, findAcmeUser } from './owner.ts'

/** Requests at a time. */
const lanes = 4

/** Seconds for all requests of one run: the next one goes on, before its timer would find this one still at work. */
const deadline = 180

/** From so many failures in a row on they are a warning. */
const tellingFailures = 3

/**
 * The command. Silent where there is nothing to tell. Gives 69 when CAs were to be asked and none has answered. Throws
 * `permission` (77) or `write` (73) for folders, `data` (65), `config` (78) when there is no user acme, `later` (75) when a
 * signal comes.
 */
export async function poll(context: Context): Promise<number> {
  const { host, log, roots } = context
  const folder = renewalInfoDir(roots)
  if (!lstatIfThere(folder)) return 0
  if (host.identity.uid === 0) await giveUpRoot(folder, context)
  const now = host.now()
  if (now < host.builtAt) {
    log.warning(`the clock reads ${now.toISOString()}, before this nixacme was built: asking nobody`, [
      'check the time synchronisation of this machine',
    ])
    return 0
  }
  let answers: readonly boolean[]
  try {
    answers = await askAll(folder, context)
  } finally {
    // What is due by what is known waits for no answer.
    mark(folder, context)
  }
  return answers.length > 0 && !answers.includes(true) ? exitStatuses.unavailable : exitStatuses.ok
}

/** What is read there is acme's, and so is the work: root only makes the folder for the marks. */
async function giveUpRoot(folder: string, { host, roots }: Context): Promise<void> {
  const { uid } = fs.lstatSync(folder)
  // `useRoot`: the work is root's.
  if (uid === 0) return
  const acme = await findAcmeUser()
  if (uid !== acme.uid)
    throw new NixacmeError('permission', `'${folder}' belongs to neither root nor user '${acmeUser}'`, {
      hints: ["run as its owner, or run 'nixacme fix-permissions'"],
    })
  const due = dueDir(roots)
  try {
    if (!lstatIfThere(due)) {
      ensureDir(due, { mode: 0o770 })
      fs.lchownSync(due, 0, acme.gid)
    }
  } catch (e) {
    throw writeError(due, e)
  }
  host.become({ ...acme, groups: [acme.gid] })
}

type Known = readonly [cert: string, info: RenewalInfo]

function grouped(known: readonly Known[], keyOf: (one: Known) => string): Map<string, Known[]> {
  const groups = new Map<string, Known[]>()
  for (const one of known) {
    const key = keyOf(one)
    const group = groups.get(key)
    if (group) group.push(one)
    else groups.set(key, [one])
  }
  return groups
}

/** Asks for all whose time to ask has come. Gives, for each CA that was asked, whether it has answered. */
async function askAll(folder: string, context: Context): Promise<boolean[]> {
  const { host, log } = context
  const now = host.now()
  const known = watchedCerts(folder).flatMap((cert): Known[] => {
    const { info } = watchOf(readWatch(watchPath(folder, cert)))
    return info && isToAsk(info, now) ? [[cert, info]] : []
  })
  const byCa = grouped(known, ([, { server, plainHttp, caCertificates }]) =>
    JSON.stringify([server, plainHttp, caCertificates]),
  )
  const late = AbortSignal.timeout(deadline * 1000)
  const signal = AbortSignal.any([host.interrupted, late])
  const answers: boolean[] = []
  for (const ofCa of byCa.values()) {
    const ca = new Conversation(folder, ofCa, context)
    try {
      await ca.hold(signal)
    } catch (e) {
      if (host.interrupted.aborted) throw interruptedError(host.interrupted)
      if (!late.aborted) throw e
      log.warning(`asking the CAs when to renew took longer than ${deadline} s`, ['the next run asks the others'])
    } finally {
      ca.tell()
    }
    answers.push(...ca.answers)
  }
  return answers
}

/** All that is asked of one CA, and what comes of it. */
class Conversation {
  readonly #folder: string
  readonly #known: readonly Known[]
  readonly #context: Context
  #failed: { readonly cert: string; readonly error: NixacmeError; readonly info: RenewalInfo }[] = []
  readonly answers: boolean[] = []

  constructor(folder: string, known: readonly Known[], context: Context) {
    this.#folder = folder
    this.#known = known
    this.#context = context
  }

  async hold(signal: AbortSignal): Promise<void> {
    const { host } = this.#context
    const [first] = this.#known
    if (!first) return
    const { server, plainHttp, caCertificates } = first[1]
    const byId = grouped(this.#known, ([, { certificate }]) => certificate)
    const inquiry: Inquiry = {
      directoryUrl: server,
      plainHttp,
      caCertificates,
      env: host.env,
      userAgent: `nixacme/${host.version}`,
      now: host.now,
      signal,
      certificates: [...byId.keys()],
      lanes,
      onReply: async (certificate, reply) => {
        for (const [cert] of byId.get(certificate) ?? []) await this.#learn(cert, certificate, reply)
      },
    }
    const { askForAll } = await import('../acme/renewal-info.ts')
    await askForAll(inquiry)
  }

  async #learn(cert: string, certificate: string, reply: RenewalReply): Promise<void> {
    const { host, log } = this.#context
    this.answers.push(reply.kind !== 'failed')
    await updateWatch(
      watchPath(this.#folder, cert),
      (watch) => {
        // A renewal may have replaced it meanwhile.
        if (watch.info?.certificate !== certificate) return undefined
        const info = learned(watch.info, reply, host.now(), Math.random())
        if (reply.kind === 'failed') this.#failed.push({ cert, error: reply.error, info })
        else sayWindow(log.about(cert), watch.info, info)
        return { ...watch, info }
      },
      host,
    )
  }

  /** One message for all that has failed. */
  tell(): void {
    const [first] = this.#failed
    if (!first) return
    const { log } = this.#context
    const count = this.#failed.length
    const whose = count === 1 ? `'${first.cert}'` : `${count} certificates`
    const { nextPoll, failures } = first.info
    const message = `it is not known when the CA wants ${whose} renewed: ${first.error.message}`
    const hints = [...first.error.hints, `asking again at ${isoMinute(nextPoll)}; renewals go on by what is known`]
    if ((failures?.count ?? 0) >= tellingFailures) log.warning(message, hints)
    else log.info(message, hints)
  }
}

/** Says what is new in what the CA wants. */
function sayWindow(
  log: Context['log'],
  before: RenewalInfo,
  { window, immediate, explanationUrl, ...info }: RenewalInfo,
): void {
  const isNews =
    window &&
    (before.window?.start.getTime() !== window.start.getTime() || before.window.end.getTime() !== window.end.getTime())
  if (!isNews) return
  const when = `between ${isoMinute(window.start)} and ${isoMinute(window.end)}`
  const hints = explanationUrl === undefined ? [] : [`the CA explains it at '${explanationUrl}'`]
  // Each answer about a certificate that is revoked names another hour of the past.
  if (immediate && before.immediate) return
  if (immediate) {
    log.warning(`the CA wants it replaced at once, ${when}: perhaps it is revoked`, hints)
    return
  }
  const instant = renewalInstant({ ...info, window })
  log.info(`the CA wants it renewed ${when}${instant ? `, chosen is ${isoMinute(instant)}` : ''}`, hints)
}

/** Leaves the names of those whose time has come for start-due, each as an empty file. */
function mark(folder: string, { host, log, roots }: Context): void {
  const now = host.now()
  const due = dueDir(roots)
  for (const cert of watchedCerts(folder)) {
    if (!isDue(watchOf(readWatch(watchPath(folder, cert))), now)) continue
    const path = under(due, cert)
    if (lstatIfThere(path)) continue
    try {
      // As root it was made; a state of one's own has its marks to itself.
      ensureDir(due, { mode: 0o700 })
      fs.closeSync(fs.openSync(path, 'wx', 0o600))
    } catch (e) {
      throw writeError(due, e, ['systemd-tmpfiles --create makes it, and so does root who runs this command'])
    }
    log.about(cert).info('its time has come: to be started')
  }
}
