// A hook as dehydrated calls it (https://github.com/dehydrated-io/dehydrated/blob/master/docs/dns-verification.md):
// `HOOK deploy_challenge|clean_challenge DOMAIN TOKENFILE VALUE`.
import { assertRunnable } from '../hook.ts'
import type { TxtRecord } from '../provider.ts'
import { absolute, type Bridge } from './bridge.ts'

export const dehydrated: Bridge = {
  prefix: 'dehydrated',
  form: 'dehydrated:/path/to/hook',
  about: 'a hook of dehydrated',
  make: (name, rest) => {
    const file = absolute(rest, name)
    return {
      name,
      title: `the hook '${file}'`,
      documentation: 'https://github.com/dehydrated-io/dehydrated/blob/master/docs/dns-verification.md',
      prefix: 'DEHYDRATED',
      times: { ttl: 120, propagationTimeout: 120, pollingInterval: 4 },
      variables: [],
      verified: 'with a hook written for the test',
      oneByOne: true,
      open(tools) {
        assertRunnable(file, `the hook of '${name}'`)
        const run = async (action: string, record: TxtRecord) => {
          const args = [action, record.challenge.domain, record.challenge.token, record.value]
          await tools.runHook({ file, args, env: tools.credentials() })
        }
        return {
          makesNames: true,
          present: (record) => run('deploy_challenge', record),
          cleanUp: (record) => run('clean_challenge', record),
        }
      },
    }
  },
}
