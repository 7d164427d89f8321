// What the tests of accounts share: an account at a CA, with its files in a folder of its own.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { openAccount } from '../../src/acme/account.ts'
import type { AccountWork } from '../../src/acme/account-work.ts'
import { AcmeClient } from '../../src/acme/client.ts'
import { openTransport } from '../../src/acme/transport.ts'
import { folder, type KeptLog, keptLog } from './request.ts'

export interface AccountBench {
  readonly work: AccountWork
  readonly log: KeptLog
  /** Opens the account as a renewal does, registering it where needed, and gives its URL. */
  open(changes?: Partial<AccountWork>): Promise<string>
  readonly newKey: string
  /** The text of a file, undefined where it is missing. */
  text(path: string): string | undefined
}

export interface Certified {
  readonly directoryUrl: string
  /** PEM of the root of its HTTPS. */
  readonly rootPem: string
}

/** The work on an account whose files are in `dir`. */
export function accountWorkIn(dir: string, { directoryUrl, rootPem }: Certified): AccountBench {
  const log = keptLog()
  const root = join(dir, 'root.pem')
  writeFileSync(root, rootPem)
  const account = join(dir, 'account')
  const key = join(account, 'keys', 'a@example.com.key')
  const work: AccountWork = {
    directoryUrl,
    plainHttp: false,
    email: 'a@example.com',
    keyType: 'ec256',
    account: { dir: account, json: join(account, 'account.json'), key },
    withAccountLock: (action) => action(),
    caCertificates: [root],
    env: {},
    now: () => new Date(),
    signal: new AbortController().signal,
    log,
    userAgent: 'nixacme/0.0.0',
  }
  return {
    work,
    log,
    newKey: `${key}.new`,
    text: (path) => (existsSync(path) ? readFileSync(path, 'utf8') : undefined),
    async open(changes = {}) {
      const transport = openTransport(work)
      try {
        const client = AcmeClient.open({ ...work, transport })
        return await openAccount(client, {
          variables: () => undefined,
          hasOtherCas: false,
          certificateKeys: [],
          ...work,
          ...changes,
        })
      } finally {
        transport.close()
      }
    },
  }
}

export const accountBench = (t: TestContext, ca: Certified): AccountBench => accountWorkIn(folder(t), ca)
