// Records as tests write them: a name and a value. The challenge that each answers is made up where the test does not say.
import type { DnsProvider, TxtRecord } from '../../src/acme/dns/provider.ts'

type Trial = Pick<TxtRecord, 'name' | 'value'> & Partial<TxtRecord>

export interface TrialProvider {
  present(record: Trial): Promise<void>
  cleanUp(record: Trial): Promise<void>
}

const whole = ({ name, value, challenge, ...rest }: Trial): TxtRecord => {
  const domain = name.replace(/^_acme-challenge\./, '')
  const madeUp = { domain, token: 'token', keyAuthorization: 'token.thumbprint' }
  return { ...rest, name, value, challenge: challenge ?? madeUp }
}

export const onTrial = (provider: DnsProvider): TrialProvider => ({
  present: (record) => provider.present(whole(record)),
  cleanUp: (record) => provider.cleanUp(whole(record)),
})
