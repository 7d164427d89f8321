// The work of `account`, as the user whose files the accounts are.
import { NixacmeError } from '../errors.ts'
import type { Job, JobServer } from '../job/job.ts'
import { accountWork, usersOf } from './account-request.ts'
import { showAccounts } from './account-show.ts'
import type { Context } from './context.ts'

/** `cert`: whose account; undefined: all. `server`: which of its CAs, by directory URL; undefined: the first. */
export type AccountTask =
  | { readonly action: 'show'; readonly cert: string | undefined; readonly online: boolean; readonly json: boolean }
  | {
      readonly action: 'update' | 'rollover' | 'recover'
      readonly cert: string
      readonly server: string | undefined
    }
  | {
      readonly action: 'deactivate'
      readonly cert: string
      readonly server: string | undefined
      /** `--yes`: it cannot be undone. */
      readonly confirmed: boolean
    }

/** Does it. Gives the exit status; throws what ends a single piece of work. */
export async function workOnAccounts(jobs: readonly Job[], task: AccountTask, context: Context): Promise<number> {
  if (task.action === 'show') return showAccounts(jobs, task, context)
  const job = jobs.find(({ cert }) => cert === task.cert)
  if (!job) throw new NixacmeError('bug', `there is no job of '${task.cert}'`)
  const work = accountWork(job, serverOf(job, task.server), context)
  const { updateAccount, rollOverKey, recoverAccount, deactivateAccount, usableAccount } = await import(
    '../acme/account-work.ts'
  )
  if (task.action === 'rollover') await rollOverKey(work)
  else if (task.action === 'deactivate') {
    const { url } = usableAccount(work)
    if (!task.confirmed) throw unconfirmed(url, usersOf(work.account.dir, jobs, context))
    await deactivateAccount(work)
  } else {
    const { status } = await (task.action === 'update' ? updateAccount(work) : recoverAccount(work))
    if (status !== 'valid') work.log.warning(`the account is '${status.slice(0, 40)}' at the CA`)
  }
  return 0
}

function serverOf(job: Job, wanted: string | undefined): JobServer {
  if (wanted === undefined) return job.servers[0]
  const found = job.servers.find(({ directoryUrl }) => directoryUrl === wanted)
  if (found) return found
  throw new NixacmeError('usage', `'${wanted}' is no CA of the certificate '${job.cert}'`, {
    hints: [`known: ${job.servers.map(({ directoryUrl }) => `'${directoryUrl}'`).join(', ')}`],
  })
}

function unconfirmed(url: string, certs: readonly string[]): NixacmeError {
  const used = certs.map((cert) => `'${cert}'`).join(', ')
  return new NixacmeError('usage', `deactivating account '${url}' cannot be undone: confirm it with --yes`, {
    hints: [
      `it is used by ${used.slice(0, 500)}: their next renewal registers a new account and gets new certificates`,
      "a CAA record with 'accounturi' must then name the new account",
    ],
  })
}
