// What the tests of this room share: a request to `issue` in a folder of its own, and a log that is kept.

import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { IssueRequest } from '../../src/acme/request.ts'
import { NixacmeError } from '../../src/errors.ts'
import type { Log } from '../../src/log.ts'
import { shownIn } from '../job/support.ts'

export interface KeptLog extends Log {
  /** `<level>: <message>`, in order, hints as further lines. */
  readonly lines: readonly string[]
}

export function keptLog(): KeptLog {
  const lines: string[] = []
  const say =
    (level: string) =>
    (message: string, hints: readonly string[] = []) => {
      lines.push([`${level}: ${message}`, ...hints].join('\n'))
    }
  const log: KeptLog = {
    lines,
    error: say('error'),
    warning: say('warning'),
    notice: (message) => say('notice')(message),
    info: say('info'),
    about: () => log,
    waiting: (message) => say('info')(message),
    progress: () => undefined,
  }
  return log
}

/** A folder that goes away with the test. */
export function folder(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'nixacme-acme-'))
  t.after(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

export interface Bench {
  readonly dir: string
  readonly webroot: string
  readonly log: KeptLog
  readonly req: IssueRequest
  /** The files in the challenge folder. */
  challengeFiles(): string[]
}

/** A request for `a.example` and `b.example`, changed by `changes`. */
export function bench(t: TestContext, directoryUrl: string, changes: Partial<IssueRequest> = {}): Bench {
  const dir = folder(t)
  const webroot = join(dir, 'www')
  const log = keptLog()
  const account = join(dir, 'accounts', 'ca', 'a@example.com')
  const req: IssueRequest = {
    names: ['a.example', 'b.example'],
    directoryUrl,
    plainHttp: true,
    email: 'a@example.com',
    keyType: 'ec256',
    challenges: shownIn(webroot, changes.names ?? ['a.example', 'b.example']),
    profiles: [],
    profilePolicy: 'required',
    mustStaple: false,
    preferredChain: null,
    notAfter: null,
    key: { kind: 'new' },
    refuseKey: () => {},
    replaces: undefined,
    challengeFolder: join(dir, 'challenges'),
    ledger: { path: join(dir, '.challenges.json'), uid: process.getuid?.() ?? 0, gid: undefined },
    order: { path: join(dir, '.order.json'), uid: process.getuid?.() ?? 0, gid: undefined },
    present: undefined,
    diary: { ordering() {}, notOrdered() {}, answering() {}, offers() {} },
    groupGid: undefined,
    groupName: 'acme',
    variables: () => undefined,
    hasOtherCas: false,
    credentials: () => ({}),
    isAttended: false,
    certificateKeys: [],
    account: { dir: account, json: join(account, 'account.json'), key: join(account, 'keys', 'a@example.com.key') },
    withAccountLock: (work) => work(),
    caCertificates: [],
    env: {},
    now: () => new Date(),
    signal: new AbortController().signal,
    log,
    deadlineSeconds: 60,
    dryRun: false,
    userAgent: 'nixacme/0.0.0',
    ...changes,
  }
  const challenges = join(webroot, '.well-known', 'acme-challenge')
  return { dir, webroot, log, req, challengeFiles: () => readdirSync(challenges) }
}

/** The NixacmeError that a promise ends with; anything else fails the test. */
export async function failureOf(promise: Promise<unknown>): Promise<NixacmeError> {
  try {
    await promise
  } catch (e) {
    if (e instanceof NixacmeError) return e
    throw e
  }
  throw new Error('it went well, though it should have failed')
}
