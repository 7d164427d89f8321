// Scripts of acme.sh's `dnsapi`, which the operator has (they are under another licence and not part of nixacme): sourced
// with our own set of the helpers that they call, libexec/acmesh-helpers.sh, in a child that gets the variables which the
// script names and no others (https://github.com/acmesh-official/acme.sh/wiki/DNS-API-Dev-Guide).
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { NixacmeError } from '../../../errors.ts'
import { readTextIfThere } from '../../../fs.ts'
import { given, type ProviderDefinition, type ProviderTools, type TxtRecord } from '../provider.ts'
import type { Bridge } from './bridge.ts'

export const acmesh: Bridge = {
  prefix: 'acmesh',
  form: 'acmesh:dns_<name>',
  about: "a script of acme.sh's dnsapi",
  make(name, code) {
    if (!/^dns_\w{1,60}$/.test(code))
      throw new NixacmeError('config', `the provider '${name}' names '${code}': expected 'dns_' and what follows it`)
    return definitionOf(name, code)
  },
}

const definitionOf = (name: string, code: string): ProviderDefinition => ({
  name,
  title: `the script '${code}'`,
  documentation: 'https://github.com/acmesh-official/acme.sh/wiki/dnsapi',
  prefix: 'ACMESH',
  times: { ttl: 120, propagationTimeout: 300, pollingInterval: 5 },
  variables: [
    { name: 'ACMESH_PATH', about: 'the script, or a folder with it or with dnsapi/ in it', isPublic: true },
    { name: 'ACMESH_VARIABLES', about: 'further variables for the script, blanks between', isPublic: true },
  ],
  verified: "with scripts written for the test in acme.sh's style, in dash and bash; not with acme.sh's own",
  oneByOne: true,
  open(tools) {
    const script = scriptFor(code, given(tools, 'ACMESH_PATH'))
    const run = runner(tools, script, `the script '${code}'`)
    return {
      present: (record) => run(`${code}_add`, record),
      cleanUp: (record) => run(`${code}_rm`, record),
    }
  },
})

interface Script {
  readonly path: string
  readonly text: string
}

/** Throws `config` (78) where there is none, `data` (65) or `permission` (77) where it cannot be read. */
function scriptFor(code: string, told: string | undefined): Script {
  if (told !== undefined && !isAbsolute(told))
    throw new NixacmeError('config', `the variable 'ACMESH_PATH' is '${told}': expected an absolute path`)
  const installed = [
    join(homedir(), '.acme.sh'),
    '/etc/acme.sh',
    '/opt/acme.sh',
    '/usr/lib/acme.sh',
    '/usr/share/acme.sh',
  ]
  const folders = told === undefined ? installed : [told]
  const files = folders.flatMap((folder) => [join(folder, 'dnsapi', `${code}.sh`), join(folder, `${code}.sh`)])
  const path = told !== undefined && isFile(told) ? told : files.find(isFile)
  if (path === undefined)
    throw new NixacmeError(
      'config',
      `there is no script '${code}.sh' in ${folders.map((one) => `'${one}'`).join(', ')}`,
      {
        hints: [
          "set 'ACMESH_PATH' to the folder of an installed acme.sh, or to the script",
          'units do not see /home and /root',
        ],
      },
    )
  const text = readTextIfThere(path) ?? ''
  if (new RegExp(`^\\s*(function\\s+)?${code}_add\\b`, 'm').test(text)) return { path, text }
  throw new NixacmeError('config', `'${path}' has no function '${code}_add'`)
}

function isFile(path: string): boolean {
  try {
    return statSync(path).isFile()
  } catch {
    return false
  }
}

/** Beside what the script names: for curl. */
const forCurl = ['HTTPS_PROXY', 'HTTP_PROXY', 'NO_PROXY', 'https_proxy', 'http_proxy', 'no_proxy', 'CURL_CA_BUNDLE']
/** Words in a script that are no names of credentials, whatever the environment has under them. */
const notForScripts =
  /^(PATH|LANG|LC_.*|HOME|PWD|OLDPWD|USER|LOGNAME|SHELL|TERM|MAIL|IFS|ENV|BASH_.*|LD_.*|NODE_.*|NIXACME_.*|LEGO_.*|ACMESH_.*|.*_DIRECTORY|NOTIFY_SOCKET|INVOCATION_ID|JOURNAL_STREAM|LISTEN_.*|[^A-Z]*)$/

/** The variables that are set of those that the script names: `CF_Token` of `${CF_Token:-…}`. */
function environmentFor({ text }: Script, tools: ProviderTools): Record<string, string> {
  const named = text.match(/\b[A-Za-z_]\w*\b/g) ?? []
  const more = (given(tools, 'ACMESH_VARIABLES') ?? '').split(/\s+/)
  const names = [...named, ...more].filter((name) => /^\w+$/.test(name) && !notForScripts.test(name))
  const env: Record<string, string> = {}
  for (const name of new Set([...names, ...forCurl])) {
    const value = given(tools, name)
    if (value !== undefined) env[name] = value
  }
  return env
}

/** Bytes that a script may keep from one call to the next. */
const largestConf = 64 * 1024

/** `sh -c` with what follows it as $1 and on: the helpers, the script, the function with its two arguments. */
const program = `. "$1" && . "$2" || exit 1
command -v "$3" >/dev/null || { _info "the script has no function '$3'"; exit 0; }
"$3" "$4" "$5"`

function runner(tools: ProviderTools, script: Script, title: string) {
  const helpers = helpersPath()
  const shell = /^#!.*\bbash\b/.test(script.text) ? 'bash' : 'sh'
  let conf: Buffer | undefined
  return async (action: string, { name, value }: TxtRecord): Promise<void> => {
    await tools.runHook({
      file: shell,
      args: ['-c', program, shell, helpers, script.path, action, name, value],
      title,
      env: environmentFor(script, tools),
      prepare: (folder) => {
        if (conf) writeFileSync(join(folder, 'conf'), conf, { mode: 0o600 })
      },
      collect: (folder) => {
        const path = join(folder, 'conf')
        conf = isFile(path) && statSync(path).size <= largestConf ? readFileSync(path) : undefined
      },
    })
  }
}

/** Beside dist/ where nixacme is built, at the root of the sources else. */
function helpersPath(): string {
  const paths = ['../libexec/', '../../../../libexec/'].map((folder) =>
    fileURLToPath(new URL(`${folder}acmesh-helpers.sh`, import.meta.url)),
  )
  const path = paths.find((one) => existsSync(one))
  if (path !== undefined) return path
  throw new NixacmeError('bug', `'${paths[0]}' is missing: this installation is not whole`)
}
