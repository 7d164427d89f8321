// Keys of TSIG as people have them: three variables, or the file that tsig-keygen(8) writes.
import { NixacmeError } from '../../errors.ts'
import { given, type ProviderTools } from './provider.ts'
import { type TsigAlgorithm, type TsigKey, tsigDigests } from './tsig.ts'
import { isName, plainName } from './wire.ts'

/** Lego's. */
const defaultAlgorithm = 'hmac-sha1'

/**
 * The key of `<prefix>` (a file as tsig-keygen writes it), or of `<prefix>_KEY`, `<prefix>_SECRET` and `<prefix>_ALGORITHM`;
 * undefined where none is given. Half a key is none, as with lego, and warned about; of a file it is a fault. Throws `config`
 * (78) for what makes no sense, without the secret.
 */
export function tsigKey(tools: Pick<ProviderTools, 'variable' | 'log'>, prefix: string): TsigKey | undefined {
  const file = given(tools, prefix)
  const { name, secret, algorithm } = file === undefined ? fromVariables(tools, prefix) : fromFile(file)
  const known = algorithmNamed(algorithm ?? defaultAlgorithm)
  if (name !== undefined && secret !== undefined) return wholeKey({ name, secret, algorithm: known })
  if (file !== undefined)
    throw new NixacmeError('config', `the file of '${prefix}_FILE' has no key with a name and a secret`, {
      hints: ["write it anew with 'tsig-keygen NAME'"],
    })
  if (name !== undefined || secret !== undefined) {
    const [there, lacking] = name === undefined ? ['SECRET', 'KEY'] : ['KEY', 'SECRET']
    tools.log.warning(`'${prefix}_${lacking}' is not set: updates are not signed, ignoring '${prefix}_${there}'`)
  }
  return undefined
}

function wholeKey({ name, secret, algorithm }: { name: string; secret: string; algorithm: TsigAlgorithm }): TsigKey {
  const plain = plainName(name)
  if (isName(plain)) return { name: plain, algorithm, secret: bytesOf(secret) }
  throw new NixacmeError('config', `the name of the TSIG key, '${name.slice(0, 60)}', is no name in the DNS`)
}

interface Parts {
  readonly name: string | undefined
  readonly secret: string | undefined
  readonly algorithm: string | undefined
}

const fromVariables = (tools: Pick<ProviderTools, 'variable'>, prefix: string): Parts => ({
  name: given(tools, `${prefix}_KEY`),
  secret: given(tools, `${prefix}_SECRET`),
  algorithm: given(tools, `${prefix}_ALGORITHM`),
})

/** The first `key` of a file in the syntax of named.conf(5). */
function fromFile(text: string): Parts {
  const plain = text.replace(/\/\*[\s\S]*?\*\/|(?:\/\/|#).*/g, ' ')
  const [, quoted, bare, body = ''] = /\bkey\s+(?:"([^"]*)"|([^\s"{]+))\s*\{([^}]*)\}/.exec(plain) ?? []
  const settingOf = (word: string) => {
    const [, inQuotes, alone] = new RegExp(`\\b${word}\\s+(?:"([^"]*)"|([^\\s";]+))`).exec(body) ?? []
    return inQuotes ?? alone
  }
  return { name: quoted ?? bare, algorithm: settingOf('algorithm'), secret: settingOf('secret') }
}

function algorithmNamed(text: string): TsigAlgorithm {
  const plain = plainName(text)
  const name = plain === 'hmac-md5' ? 'hmac-md5.sig-alg.reg.int' : plain
  if (Object.hasOwn(tsigDigests, name)) return name as TsigAlgorithm
  const hints = [
    'take hmac-sha256 (or hmac-md5, hmac-sha1, hmac-sha224, hmac-sha384, hmac-sha512), as the server has it',
  ]
  if (/^gss/.test(plain))
    throw new NixacmeError('config', `the TSIG algorithm '${plain}' needs Kerberos, which nixacme does not speak`, {
      hints,
    })
  throw new NixacmeError('config', `the TSIG algorithm '${plain.slice(0, 60)}' is not known`, { hints })
}

function bytesOf(secret: string): Buffer {
  const text = secret.replaceAll(/\s+/g, '')
  if (/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return Buffer.from(text, 'base64')
  throw new NixacmeError('config', 'the secret of the TSIG key is no base64 text', {
    hints: ["it is what 'tsig-keygen' writes after 'secret'"],
  })
}
