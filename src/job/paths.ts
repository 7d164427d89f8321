// Where things are: the layout of contract 1.6 under the roots of DESIGN §4, in one place.
import { under } from '../fs.ts'

export interface Roots {
  /** `/var/lib/acme` */
  readonly state: string
  /** `/run/acme` */
  readonly runtime: string
  /** `/var/lib/nixacme/jobs` */
  readonly jobs: string
}

/** What `apply` keeps for itself: the jobs, and what it has given the machine. */
export const applyDir = '/var/lib/nixacme'

export const defaultRoots: Roots = { state: '/var/lib/acme', runtime: '/run/acme', jobs: `${applyDir}/jobs` }

/** lego's placeholder for an account without e-mail; it stands in the account's hash and path. */
export const noEmail = 'noemail@example.com'

export interface CertPaths {
  /** `<state>/.lego` */
  readonly lego: string
  /** `<state>/.lego/<cert>`: also the file that the per-certificate lock is taken on. */
  readonly legoCert: string
  /** `<state>/.lego/<cert>/<certDir>`: lego's certificates/ folder. */
  readonly certificates: string
  readonly key: string
  readonly certificate: string
  readonly issuer: string
  readonly resource: string
  readonly domainHash: string
  /** Our own state of this certificate. */
  readonly memory: string
  /** `<state>/.lego/<cert>/compromised`: keys that must never be used again, whichever CA or folder they come from. */
  readonly compromised: string
  /** `<state>/.lego/<cert>/revoked`: a file for each certificate of which we know that it is. */
  readonly revoked: string
  /** What was put where for challenges, whichever CA wanted them. */
  readonly challenges: string
  /** The order under way at the CA, with the key of the certificate to be. */
  readonly pendingOrder: string
  /** `<state>/.renewal-info/<cert>.json`: when the CA wants it renewed (RFC 9773), beside no key. */
  readonly renewalInfo: string
  /** `<state>/<cert>`: what services read. */
  readonly out: string
  /** `<state>/.lego/accounts` */
  readonly accounts: string
  /** `<state>/.lego/accounts/<accountHash>`: also the file that the per-account lock is taken on. */
  readonly accountRoot: string
  /** `<accountRoot>/<host[_port]>/<email>` */
  readonly account: string
  readonly accountJson: string
  readonly accountKey: string
}

export interface PathNames {
  readonly cert: string
  readonly keyName: string
  readonly certDirHash: string
  readonly accountHash: string
  /** The effective directory URL. */
  readonly directoryUrl: string
  /** The account's e-mail or its placeholder. */
  readonly accountName: string
}

/** All that the poller of renewal information sees of the state. */
export const renewalInfoDir = (roots: Roots): string => under(roots.state, '.renewal-info')

export function certPaths(roots: Roots, n: PathNames): CertPaths {
  const lego = under(roots.state, '.lego')
  const legoCert = under(lego, n.cert)
  const certificates = under(legoCert, n.certDirHash)
  const out = under(roots.state, n.cert)
  const accounts = under(lego, 'accounts')
  const accountRoot = under(accounts, n.accountHash)
  const account = under(accountRoot, accountHost(n.directoryUrl), n.accountName)
  return {
    lego,
    legoCert,
    certificates,
    key: under(certificates, `${n.keyName}.key`),
    certificate: under(certificates, `${n.keyName}.crt`),
    issuer: under(certificates, `${n.keyName}.issuer.crt`),
    resource: under(certificates, `${n.keyName}.json`),
    domainHash: under(certificates, 'domainhash.txt'),
    memory: under(certificates, 'nixacme.json'),
    compromised: under(legoCert, 'compromised'),
    revoked: under(legoCert, 'revoked'),
    challenges: under(legoCert, '.challenges.json'),
    pendingOrder: under(certificates, '.order.json'),
    renewalInfo: under(renewalInfoDir(roots), `${n.cert}.json`),
    out,
    accounts,
    accountRoot,
    account,
    accountJson: under(account, 'account.json'),
    accountKey: under(account, 'keys', `${n.accountName}.key`),
  }
}

/** The files of the account with one CA: its folder, `account.json` and key. */
export const accountFilesOf = ({ account, accountJson, accountKey }: CertPaths) => ({
  dir: account,
  json: accountJson,
  key: accountKey,
})

/** lego's folder of a CA: host, and port where the URL names one, joined by an underscore. */
const accountHost = (directoryUrl: string): string => new URL(directoryUrl).host.replaceAll(':', '_')

/** The local CA of the self-signed certificates, one for all: minica's files. */
export interface LocalCaPaths {
  /** `<state>/.minica`: also the file that the lock of whoever makes the CA is taken on. */
  readonly folder: string
  readonly key: string
  readonly certificate: string
}

export function localCaPaths(roots: Roots): LocalCaPaths {
  const folder = under(roots.state, '.minica')
  return { folder, key: under(folder, 'key.pem'), certificate: under(folder, 'cert.pem') }
}

/** In `out/`: a new certificate is there and its hooks have not been told (DESIGN §4); the second while they are. */
export const markerName = 'renewed'
export const takenMarkerName = '.renewed.taken'

/** `/run/acme/<n>.lock` */
export const slotPath = (roots: Roots, slot: number): string => under(roots.runtime, `${slot}.lock`)

/**
 * `/run/acme-due`: the poller leaves the names of those certificates there whose renewal is to be started. Beside the folder of
 * the locks, in which nobody but the renewals has a part.
 */
export const dueDir = (roots: Roots): string => `${roots.runtime}-due`

/** `/run/acme/challenges`: what is answered by listeners, `http/` and `tls/` (src/acme/challenges/shared-answers.ts). */
export const challengesDir = (roots: Roots): string => under(roots.runtime, 'challenges')

export const jobPath = (roots: Roots, cert: string): string => under(roots.jobs, `${cert}.json`)
