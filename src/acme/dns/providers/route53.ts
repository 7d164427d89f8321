// Amazon Route 53: whole sets of values, in XML, signed (https://docs.aws.amazon.com/Route53/latest/APIReference/Welcome.html).
import { awsCredentials } from '../../aws-credentials.ts'
import { type AwsCredentials, awsHeaders } from '../../aws-signature.ts'
import type { Api, ApiAnswer, ApiRequest } from '../api.ts'
import { unquoted } from '../json.ts'
import { candidateZones, given, missing, type ProviderDefinition, type ProviderTools } from '../provider.ts'
import { noZone, overSets, type TxtSet } from '../shapes.ts'
import { elementAt, elementsNamed, parseXml, textAt, type XmlElement, xmlEscaped } from '../xml.ts'

const defaultRegion = 'us-east-1'

export const route53: ProviderDefinition = {
  name: 'route53',
  title: 'Amazon Route 53',
  documentation: 'https://docs.aws.amazon.com/Route53/latest/APIReference/Welcome.html',
  prefix: 'AWS',
  times: { ttl: 10, propagationTimeout: 120, pollingInterval: 4 },
  variables: [
    { name: 'AWS_ACCESS_KEY_ID', about: 'access key' },
    { name: 'AWS_SECRET_ACCESS_KEY', about: 'secret key that belongs to it' },
    { name: 'AWS_SESSION_TOKEN', about: 'token of credentials that were lent for a time' },
    {
      name: 'AWS_SHARED_CREDENTIALS_FILE',
      about: 'path of a file with profiles, in place of the two keys',
      isPublic: true,
    },
    { name: 'AWS_PROFILE', about: 'profile in that file; by default default', isPublic: true },
    { name: 'AWS_ASSUME_ROLE_ARN', about: 'role to take on with these credentials', isPublic: true },
    { name: 'AWS_EXTERNAL_ID', about: 'external identifier that the role asks for' },
    { name: 'AWS_HOSTED_ZONE_ID', about: 'the hosted zone, in place of the one that is found by name', isPublic: true },
    { name: 'AWS_REGION', about: 'region; tells the partition (China, GovCloud) and no more', isPublic: true },
  ],
  notes: [
    'Either both keys or a credentials file must be set; the role of an EC2 machine is not asked for.',
    'Private hosted zones are passed over.',
    'The permissions needed are route53:ListHostedZonesByName (unless the hosted zone is named), route53:ListResourceRecordSets and route53:ChangeResourceRecordSets.',
  ],
  verified: 'against a fake of its documented interface, which checks each signature; not at Amazon itself',
  oneByOne: true,
  open(tools) {
    const client = clientOf(tools)
    return overSets({
      zoneOf: zonesOf(client, given(tools, 'AWS_HOSTED_ZONE_ID')),
      read: (zone: string, name) => readSet(client, zone, name),
      write: (zone, name, values, before) => writeSet(client, { zone, name, values, before, ttl: tools.ttl }),
      written: (value) => `"${value}"`,
      plain: unquoted,
    })
  },
}

interface Client {
  readonly api: Api
  send(request: Pick<ApiRequest, 'method' | 'text' | 'repeatable'>, path: string): Promise<XmlElement>
}

/** Where the services are, by partition, and which region a signature names there. */
function placeOf(region: string) {
  const near = { url: `https://sts.${region}.amazonaws.com/`, region }
  if (region.startsWith('cn-')) {
    const sts = { url: `https://sts.${region}.amazonaws.com.cn/`, region }
    return { base: 'https://route53.amazonaws.com.cn', signing: 'cn-northwest-1', sts }
  }
  if (region.startsWith('us-gov-'))
    return { base: 'https://route53.us-gov.amazonaws.com', signing: 'us-gov-west-1', sts: near }
  return { base: 'https://route53.amazonaws.com', signing: 'us-east-1', sts: near }
}

function clientOf(tools: ProviderTools): Client {
  const { api, now } = tools
  const own = awsCredentials(tools.variable)
  if (!own) throw missing(['AWS_ACCESS_KEY_ID', 'AWS_SHARED_CREDENTIALS_FILE'])
  hide(api, own)
  const { base, signing } = placeOf(given(tools, 'AWS_REGION') ?? defaultRegion)
  let credentials: Promise<AwsCredentials> | undefined
  return {
    api,
    async send(request, path) {
      credentials ??= roleOf(tools, own).catch((e) => {
        credentials = undefined
        throw e
      })
      const url = `${base}/2013-04-01/${path}`
      const { method, text: body = '' } = request
      const headers = { ...(body && { 'Content-Type': 'application/xml' }), Accept: 'application/xml' }
      const signed = awsHeaders(
        { method, url, headers, body, service: 'route53', region: signing },
        await credentials,
        now(),
      )
      return answered(api, await api.send({ ...request, url, headers: { ...headers, ...signed }, tooOften }))
    },
  }
}

function hide(api: Api, { secretAccessKey, sessionToken }: AwsCredentials): void {
  api.hide(secretAccessKey)
  if (sessionToken) api.hide(sessionToken)
}

/** Route 53 says so with status 400 (https://repost.aws/knowledge-center/route-53-avoid-throttling-errors). */
const tooOften = ({ status, text }: ApiAnswer): boolean =>
  status === 400 && /<Code>(Throttling|ThrottlingException|PriorRequestNotComplete)<\/Code>/.test(text)

function answered(api: Api, { text }: ApiAnswer): XmlElement {
  const root = parseXml(text)
  if (root) return root
  throw api.nonsense(`expected XML, found '${text.slice(0, 60)}'`)
}

/** What is lent for a role (https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html); else the own credentials. */
async function roleOf(tools: ProviderTools, own: AwsCredentials): Promise<AwsCredentials> {
  const role = given(tools, 'AWS_ASSUME_ROLE_ARN')
  if (role === undefined) return own
  const { api, now } = tools
  const externalId = given(tools, 'AWS_EXTERNAL_ID')
  const body = new URLSearchParams({
    Action: 'AssumeRole',
    Version: '2011-06-15',
    RoleArn: role,
    RoleSessionName: 'nixacme',
    ...(externalId && { ExternalId: externalId }),
  }).toString()
  const { url, region } = placeOf(given(tools, 'AWS_REGION') ?? defaultRegion).sts
  const headers = { 'Content-Type': 'application/x-www-form-urlencoded', Accept: 'application/xml' }
  const signed = awsHeaders({ method: 'POST', url, headers, body, service: 'sts', region }, own, now())
  const answer = await api.send({
    method: 'POST',
    url,
    text: body,
    headers: { ...headers, ...signed },
    repeatable: true,
    tooOften,
  })
  const lent = elementAt(answered(api, answer), 'AssumeRoleResult', 'Credentials')
  const [accessKeyId, secretAccessKey, sessionToken] = ['AccessKeyId', 'SecretAccessKey', 'SessionToken'].map((name) =>
    textAt(lent, name),
  )
  if (!accessKeyId || !secretAccessKey || !sessionToken) throw api.nonsense('a role without credentials')
  const credentials = { accessKeyId, secretAccessKey, sessionToken }
  hide(api, credentials)
  return credentials
}

/** The identifier of the hosted zone, asked for once for each name that may be one. */
function zonesOf(client: Client, named: string | undefined): (name: string) => Promise<string> {
  const known = new Map<string, string | undefined>()
  return async (name) => {
    if (named !== undefined) return named.replace(/^\/?hostedzone\//, '')
    for (const candidate of candidateZones(name)) {
      if (!known.has(candidate)) known.set(candidate, await publicZone(client, candidate))
      const zone = known.get(candidate)
      if (zone !== undefined) return zone
    }
    throw noZone(client.api, name)
  }
}

/** Zones are listed from a name on; several may have the same one, private ones among them. */
async function publicZone({ api, send }: Client, name: string): Promise<string | undefined> {
  let more: string | undefined = ''
  while (more !== undefined) {
    const root = await send({ method: 'GET' }, `hostedzonesbyname?dnsname=${encodeURIComponent(name)}${more}`)
    const zones = elementAt(root, 'HostedZones')
    if (!zones) throw api.nonsense('no list of hosted zones')
    for (const zone of elementsNamed(zones, 'HostedZone')) {
      if (textAt(zone, 'Name') !== `${name}.` || textAt(zone, 'Config', 'PrivateZone') === 'true') continue
      const [, id] = /^\/hostedzone\/(\w+)$/.exec(textAt(zone, 'Id') ?? '') ?? []
      return id ?? assertId(api)
    }
    const next: string = textAt(root, 'NextHostedZoneId') ?? ''
    const goesOn = textAt(root, 'IsTruncated') === 'true' && textAt(root, 'NextDNSName') === `${name}.` && next !== ''
    const following: string = `&hostedzoneid=${encodeURIComponent(next)}`
    more = goesOn && following !== more ? following : undefined
  }
  return undefined
}

function assertId(api: Api): never {
  throw api.nonsense('a hosted zone without an identifier')
}

/** Sets are listed from a name and a type on. */
async function readSet({ api, send }: Client, zone: string, name: string): Promise<TxtSet> {
  const root = await send(
    { method: 'GET' },
    `hostedzone/${zone}/rrset?name=${encodeURIComponent(`${name}.`)}&type=TXT&maxitems=1`,
  )
  const sets = elementAt(root, 'ResourceRecordSets')
  if (!sets) throw api.nonsense('no list of record sets')
  const set = elementsNamed(sets, 'ResourceRecordSet').find(
    (one) => textAt(one, 'Name') === `${name}.` && textAt(one, 'Type') === 'TXT',
  )
  if (!set) return { values: [], ttl: undefined }
  if (elementAt(set, 'SetIdentifier') || elementAt(set, 'AliasTarget'))
    throw api.refusal(`'${name}': its TXT record has a routing policy or is an alias, which cannot hold a challenge`)
  const records = elementsNamed(elementAt(set, 'ResourceRecords'), 'ResourceRecord')
  return { values: records.map((record) => textAt(record, 'Value') ?? ''), ttl: Number(textAt(set, 'TTL')) }
}

interface Writing {
  readonly zone: string
  readonly name: string
  readonly values: readonly string[]
  readonly before: TxtSet
  readonly ttl: number
}

/** A set is removed by naming all of it as it is. */
async function writeSet({ send }: Client, { zone, name, values, before, ttl }: Writing): Promise<void> {
  const isLast = values.length === 0
  const records = (isLast ? before.values : values).map(
    (value) => `<ResourceRecord><Value>${xmlEscaped(value)}</Value></ResourceRecord>`,
  )
  const text = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<ChangeResourceRecordSetsRequest xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><ChangeBatch><Changes><Change>',
    `<Action>${isLast ? 'DELETE' : 'UPSERT'}</Action>`,
    `<ResourceRecordSet><Name>${xmlEscaped(name)}.</Name><Type>TXT</Type><TTL>${before.ttl ?? ttl}</TTL>`,
    `<ResourceRecords>${records.join('')}</ResourceRecords></ResourceRecordSet>`,
    '</Change></Changes></ChangeBatch></ChangeResourceRecordSetsRequest>',
  ].join('')
  await send({ method: 'POST', text, repeatable: !isLast }, `hostedzone/${zone}/rrset`)
}
