// A person: is told the record, makes it, and the look at the name servers that follows waits for it.
import { NixacmeError } from '../../../errors.ts'
import { given, type ProviderDefinition } from '../provider.ts'

export const manual: ProviderDefinition = {
  name: 'manual',
  title: 'by hand',
  documentation: 'https://go-acme.github.io/lego/dns/manual/',
  prefix: 'MANUAL',
  times: { ttl: 120, propagationTimeout: 3600, pollingInterval: 10 },
  variables: [],
  verified: 'with a person played by the test',
  open(tools) {
    if (!tools.isAttended && given(tools, 'MANUAL_PROPAGATION_TIMEOUT') === undefined)
      throw new NixacmeError(
        'config',
        "the provider 'manual' needs somebody who reads along, and there is no terminal",
        {
          hints: [
            "run 'nixacme renew' at a terminal",
            "or read the journal, and set 'MANUAL_PROPAGATION_TIMEOUT' to the seconds that it may take until the record is made",
          ],
        },
      )
    const { log } = tools
    return {
      async present({ name, value }) {
        log.notice(`make a TXT record '${name}' with the value '${value}', beside those that are there`)
      },
      async cleanUp({ name, value }) {
        log.notice(`the TXT record '${name}' with the value '${value}' is no longer needed: remove it`)
      },
    }
  },
}
