// Hooks as certbot's manual plugin calls them (https://eff-certbot.readthedocs.io/en/stable/using.html#hooks): one that makes
// the record, perhaps one that removes it, told by variables.
import { assertRunnable } from '../hook.ts'
import type { TxtRecord } from '../provider.ts'
import { absolute, type Bridge } from './bridge.ts'

export const certbot: Bridge = {
  prefix: 'certbot',
  form: 'certbot:/path/to/auth-hook[,/path/to/cleanup-hook]',
  about: "hooks of certbot's manual plugin",
  make: (name, rest) => {
    const [auth = '', cleanup] = rest.split(',').map((path) => absolute(path, name))
    return {
      name,
      title: `the hook '${auth}'`,
      documentation: 'https://eff-certbot.readthedocs.io/en/stable/using.html#hooks',
      prefix: 'CERTBOT',
      times: { ttl: 120, propagationTimeout: 120, pollingInterval: 4 },
      variables: [],
      verified: 'with hooks written for the test',
      oneByOne: true,
      open(tools) {
        for (const file of [auth, cleanup ?? auth]) assertRunnable(file, `the hook of '${name}'`)
        const outputs = new Map<string, string>()
        const run = (file: string, record: TxtRecord, more: Readonly<Record<string, string>> = {}) => {
          const { domain, token } = record.challenge
          const env = {
            ...tools.credentials(),
            CERTBOT_DOMAIN: domain,
            CERTBOT_IDENTIFIER: domain,
            CERTBOT_ALL_DOMAINS: domain,
            CERTBOT_ALL_IDENTIFIERS: domain,
            CERTBOT_VALIDATION: record.value,
            CERTBOT_TOKEN: token,
            CERTBOT_REMAINING_CHALLENGES: '0',
          }
          return tools.runHook({ file, args: [], env: { ...env, ...more } })
        }
        const keyOf = ({ name, value }: TxtRecord) => `${name} ${value}`
        return {
          makesNames: true,
          async present(record) {
            outputs.set(keyOf(record), (await run(auth, record)).trim())
          },
          async cleanUp(record) {
            if (cleanup === undefined) return
            await run(cleanup, record, { CERTBOT_AUTH_OUTPUT: outputs.get(keyOf(record)) ?? '' })
          },
        }
      },
    }
  },
}
