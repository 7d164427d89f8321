// A web server of the operator's own (https://go-acme.github.io/lego/dns/httpreq/).
import { endpointOf } from '../endpoint.ts'
import { given, type ProviderDefinition, type TxtRecord } from '../provider.ts'
import { isRawMode } from './exec.ts'

export const httpreq: ProviderDefinition = {
  name: 'httpreq',
  title: 'HTTP request',
  documentation: 'https://go-acme.github.io/lego/dns/httpreq/',
  prefix: 'HTTPREQ',
  times: { ttl: 120, propagationTimeout: 60, pollingInterval: 2 },
  variables: [
    {
      name: 'HTTPREQ_ENDPOINT',
      about: 'URL of the server, to which /present and /cleanup are added',
      required: true,
      isPublic: true,
    },
    { name: 'HTTPREQ_MODE', about: 'RAW for the parts of the challenge in place of the record', isPublic: true },
    { name: 'HTTPREQ_USERNAME', about: 'user, with a password' },
    { name: 'HTTPREQ_PASSWORD', about: 'password of the user' },
  ],
  verified: 'against a server written for the test, in both modes',
  open(tools) {
    const { api } = tools
    const endpoint = endpointOf(tools, 'HTTPREQ_ENDPOINT')
    const isRaw = isRawMode(given(tools, 'HTTPREQ_MODE'), 'HTTPREQ_MODE')
    const [user, password] = [given(tools, 'HTTPREQ_USERNAME'), given(tools, 'HTTPREQ_PASSWORD')]
    const headers = user !== undefined && password !== undefined ? api.basic(user, password) : endpoint.headers
    const post = async (action: string, record: TxtRecord) => {
      const json = isRaw ? rawOf(record) : { fqdn: `${record.name}.`, value: record.value }
      await api.send({ method: 'POST', url: `${endpoint.url}/${action}`, headers, json, mayBePlain: true })
    }
    return {
      makesNames: isRaw,
      present: (record) => post('present', record),
      cleanUp: (record) => post('cleanup', record),
    }
  },
}

const rawOf = ({ challenge: { domain, token, keyAuthorization: keyAuth } }: TxtRecord) => ({ domain, token, keyAuth })
