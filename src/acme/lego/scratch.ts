// The folder that lego works in: a copy of its account and of the certificate to renew, in a layout of lego's own. What it
// leaves there is read and checked before anything of it is stored, so a lego that is killed leaves nothing half-written.
import * as fs from 'node:fs'
import { basename, dirname } from 'node:path'
import { splitPem } from '../../certificate/pem.ts'
import { NixacmeError, readError, writeError } from '../../errors.ts'
import { ensureDirs, readTextIfThere, temporaryName, under, writeNew } from '../../fs.ts'
import type { AccountFiles } from '../account-files.ts'
import type { PresentCertificate } from '../request.ts'

const mode = { mode: 0o600, isPassing: true }

/** What lego brought. */
export interface Brought {
  /** PEM; undefined where it had a request instead of a key. */
  readonly key: string | undefined
  /** PEM blocks, leaf first. */
  readonly chain: readonly string[]
  readonly certUrl: string
}

export class Scratch {
  readonly path: string
  /** For what is lego's to read and nobody else's. */
  readonly secrets: string
  readonly #certificates: string

  /**
   * A new folder in `parent`, which is on the disk that certificates are kept on; by its name the next run takes it away
   * should this one be killed. Throws `write` (73) or `permission` (77), as all do.
   */
  constructor(parent: string) {
    this.path = temporaryName(parent, 'lego')
    this.secrets = under(this.path, 'secrets')
    this.#certificates = under(this.path, 'certificates')
    this.#make(() => {
      for (const folder of [this.path, this.secrets, this.#certificates]) fs.mkdirSync(folder, { mode: 0o700 })
    })
  }

  /** The account as lego of the fourth series has it; lego never writes to the original. */
  putAccount({ dir, json, key }: AccountFiles): void {
    const account = under(this.path, 'accounts', basename(dirname(dir)), basename(dir))
    this.#make(() => {
      ensureDirs(under(account, 'keys'), { mode: 0o700 })
      fs.copyFileSync(json, under(account, basename(json)))
      fs.copyFileSync(key, under(account, 'keys', basename(key)))
    })
  }

  /** The certificate to renew, under the name that lego looks for. */
  putCertificate(stem: string, { key, leaf }: PresentCertificate): void {
    const resource = { domain: stem, certUrl: '', certStableUrl: '' }
    this.#make(() => {
      writeNew(under(this.#certificates, `${stem}.crt`), leaf, mode)
      writeNew(under(this.#certificates, `${stem}.key`), key, mode)
      writeNew(under(this.#certificates, `${stem}.json`), JSON.stringify(resource), mode)
    })
  }

  /** A key to certify, PEM; its path. */
  putKey(pem: string): string {
    const path = under(this.secrets, 'key.pem')
    this.#make(() => writeNew(path, pem, mode))
    return path
  }

  /**
   * What is there now. Throws `refused` (76) where there is no certificate but the one that lego was given: it thought
   * otherwise about whether it is time.
   */
  take(given: PresentCertificate | undefined): Brought {
    const names = this.#names()
    const file = names.find((name) => name.endsWith('.crt') && !name.endsWith('.issuer.crt'))
    const chain = splitPem((file && this.#read(file)) ?? '')
    const isOld = given !== undefined && chain[0]?.trim() === given.leaf.trim()
    if (file === undefined || chain.length === 0 || isOld)
      throw new NixacmeError('refused', `lego ended well, but brought no ${isOld ? 'new ' : ''}certificate`, {
        hints: ["what it said is in the log; look at 'extraLegoFlags' and the others"],
      })
    const stem = file.slice(0, -'.crt'.length)
    const key = names.includes(`${stem}.key`) ? this.#read(`${stem}.key`) : undefined
    return { key, chain, certUrl: certUrlOf(this.#read(`${stem}.json`)) }
  }

  /** Takes it all away, whatever lego made of it. Never throws: the next run would do it. */
  remove(): void {
    try {
      fs.rmSync(this.path, { recursive: true, force: true })
    } catch {
      // By its name it is gone with the next run that has something to store.
    }
  }

  #names(): string[] {
    try {
      return fs.readdirSync(this.#certificates)
    } catch (e) {
      throw readError(this.#certificates, e)
    }
  }

  #read(name: string): string | undefined {
    return readTextIfThere(under(this.#certificates, name))
  }

  #make(action: () => void): void {
    try {
      action()
    } catch (e) {
      this.remove()
      throw writeError(this.path, e)
    }
  }
}

/** Of lego's `<name>.json`; '' where it does not say. */
function certUrlOf(text: string | undefined): string {
  try {
    const value = JSON.parse(text ?? 'null') as { certUrl?: unknown } | null
    return typeof value?.certUrl === 'string' ? value.certUrl : ''
  } catch {
    return ''
  }
}
