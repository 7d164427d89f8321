// A program of the operator's own (https://go-acme.github.io/lego/dns/exec/).
import { NixacmeError } from '../../../errors.ts'
import { assertRunnable } from '../hook.ts'
import { given, type ProviderDefinition, type TxtRecord, wanted } from '../provider.ts'

export const exec: ProviderDefinition = {
  name: 'exec',
  title: 'an external program',
  documentation: 'https://go-acme.github.io/lego/dns/exec/',
  prefix: 'EXEC',
  times: { ttl: 120, propagationTimeout: 60, pollingInterval: 2 },
  variables: [
    { name: 'EXEC_PATH', about: 'the program: an absolute path, or a name in PATH', required: true, isPublic: true },
    { name: 'EXEC_MODE', about: 'RAW for the parts of the challenge in place of the record', isPublic: true },
  ],
  verified: 'with programs written for the test, in both modes',
  oneByOne: true,
  open(tools) {
    const file = wanted(tools, 'EXEC_PATH')
    assertRunnable(file, "the variable 'EXEC_PATH'")
    const isRaw = isRawMode(given(tools, 'EXEC_MODE'), 'EXEC_MODE')
    const run = async (action: string, record: TxtRecord) => {
      const { domain, token, keyAuthorization } = record.challenge
      const args = isRaw ? ['--', domain, token, keyAuthorization] : [`${record.name}.`, record.value]
      await tools.runHook({ file, args: [action, ...args], env: tools.credentials() })
    }
    return {
      makesNames: isRaw,
      present: (record) => run('present', record),
      cleanUp: (record) => run('cleanup', record),
    }
  },
}

/** Lego's `RAW`, or nothing. Throws `config` (78) for another word. */
export function isRawMode(text: string | undefined, variable: string): boolean {
  if (text === undefined || text === 'RAW') return text === 'RAW'
  throw new NixacmeError('config', `the variable '${variable}' is '${text.slice(0, 40)}': expected 'RAW' or nothing`)
}
