// Google Cloud DNS (https://cloud.google.com/dns/docs/reference/rest/v1): sets are changed by what goes and what comes, and a
// change fits only to what is there.
import { NixacmeError } from '../../../errors.ts'
import { pause } from '../../pace.ts'
import { googleLogin, googleVariables } from '../google.ts'
import { fieldsOf, listOf, textOf, unquoted } from '../json.ts'
import { bearing } from '../oauth.ts'
import { type DnsProvider, given, type ProviderDefinition, type ProviderTools } from '../provider.ts'
import { Session } from '../session.ts'
import { allFollowed, untilWritten, zoneFinder } from '../shapes.ts'

const base = 'https://dns.googleapis.com/dns/v1/projects'
/** Seconds, about: how long a change may be pending, and between two looks. */
const [pendingSeconds, lookSeconds] = [60, 1]
/** What a change is answered with that does not fit to what is there. */
const unfit = [404, 409, 412]

interface Zone {
  readonly id: string
  readonly name: string
}

interface RecordSet {
  readonly name: string
  readonly type: 'TXT'
  readonly ttl: number
  readonly rrdatas: readonly string[]
}

export const gcloud: ProviderDefinition = {
  name: 'gcloud',
  title: 'Google Cloud',
  documentation: 'https://cloud.google.com/dns/docs/reference/rest/v1',
  prefix: 'GCE',
  times: { ttl: 120, propagationTimeout: 180, pollingInterval: 5 },
  variables: [
    ...googleVariables,
    { name: 'GCE_ZONE_ID', about: 'name of the managed zone, which need not be looked for then' },
    { name: 'GCE_ALLOW_PRIVATE_ZONE', about: 'true: private zones are taken, too' },
  ],
  notes: [
    'Credentials are those of the first variable that is set, or of the machine.',
    "Credentials of other clouds (workload identity federation) and the file in a home directory that 'gcloud auth application-default login' writes, unless it is named, are not used.",
  ],
  verified:
    "against a fake of its documented interface, which checks each signature, and of the machine's metadata server; not at Google itself",
  oneByOne: true,
  open: providerOf,
}

function providerOf(tools: ProviderTools): DnsProvider {
  const { api, ttl } = tools
  const login = googleLogin(tools)
  const send = bearing(api, new Session(login.token))
  const [zoneId, allowsPrivate] = [given(tools, 'GCE_ZONE_ID'), given(tools, 'GCE_ALLOW_PRIVATE_ZONE')]
  let project: Promise<string> | undefined
  const projectUrl = async () => {
    project ??= login.project()
    return `${base}/${encodeURIComponent(await project)}`
  }
  const zoneUrl = async ({ id }: Pick<Zone, 'id'>) => `${await projectUrl()}/managedZones/${encodeURIComponent(id)}`
  const zoneIn = (fields: Readonly<Record<string, unknown>> | undefined): Zone => {
    const [id, name] = [textOf(fields?.['name']), textOf(fields?.['dnsName'])]
    if (id === undefined || name === undefined) throw api.nonsense('a zone without a name')
    return { id, name: name.replace(/\.$/, '').toLowerCase() }
  }

  const zoneOf = zoneFinder(api, async () => {
    // Who may change one zone need not be allowed to list all.
    if (zoneId !== undefined) {
      const answer = await send({ method: 'GET', url: await zoneUrl({ id: zoneId }) })
      return [zoneIn(fieldsOf(answer.json()))]
    }
    const url = `${await projectUrl()}/managedZones`
    const all = await allFollowed(api, async (token: string | undefined) => {
      const query = token === undefined ? '' : `?pageToken=${encodeURIComponent(token)}`
      const fields = fieldsOf((await send({ method: 'GET', url: `${url}${query}` })).json())
      // Without a zone there is no list.
      const items = fields && listOf(fields['managedZones'] ?? [])
      if (!items) throw api.nonsense('something else than zones')
      return { items, next: textOf(fields['nextPageToken']) }
    })
    const isPrivate = (zone: Readonly<Record<string, unknown>>) => zone['visibility'] === 'private'
    const hidden = /^(1|t|true)$/i.test(allowsPrivate ?? '') ? all.filter(isPrivate) : []
    return [...all.filter((zone) => !isPrivate(zone)), ...hidden].map(zoneIn)
  })
  const read = async (zone: Zone, name: string): Promise<RecordSet | undefined> => {
    const url = `${await zoneUrl(zone)}/rrsets?name=${encodeURIComponent(`${name}.`)}&type=TXT`
    const list = listOf(fieldsOf((await send({ method: 'GET', url })).json())?.['rrsets'] ?? [])
    const set = list?.find((one) => one['type'] === 'TXT' && one['name'] === `${name}.`)
    if (!set) return undefined
    const { ttl: seconds, rrdatas } = set
    if (typeof seconds !== 'number' || !Array.isArray(rrdatas)) throw api.nonsense('a set of records without records')
    return { name: `${name}.`, type: 'TXT', ttl: seconds, rrdatas: rrdatas.map(String) }
  }
  /** Waits until a change is made; what it tells is not yet at the name servers. */
  const made = async (zone: Zone, change: unknown): Promise<void> => {
    let fields = fieldsOf(change)
    const url = `${await zoneUrl(zone)}/changes/${encodeURIComponent(textOf(fields?.['id']) ?? '')}`
    for (let waited = 0; fields?.['status'] !== 'done'; waited += lookSeconds) {
      if (fields?.['status'] !== 'pending') throw api.nonsense('a change without a status')
      if (waited >= pendingSeconds)
        throw new NixacmeError('unavailable', `Google Cloud did not make a change within ${pendingSeconds} s`)
      await pause(lookSeconds, tools.signal)
      fields = fieldsOf((await send({ method: 'GET', url })).json())
    }
  }
  const change = (name: string, make: (values: readonly string[]) => readonly string[]) =>
    untilWritten(tools, name, async () => {
      const zone = await zoneOf(name)
      const before = await read(zone, name)
      const values = before?.rrdatas ?? []
      const rrdatas = make(values)
      if (rrdatas.length === values.length) return true
      const json = {
        deletions: before ? [before] : [],
        additions: rrdatas.length > 0 ? [{ name: `${name}.`, type: 'TXT', ttl: before?.ttl ?? ttl, rrdatas }] : [],
      }
      const answer = await send({ method: 'POST', url: `${await zoneUrl(zone)}/changes`, json, expected: unfit })
      if (unfit.includes(answer.status)) return false
      await made(zone, answer.json())
      return true
    })
  return {
    present: ({ name, value }) =>
      change(name, (all) => (all.some((one) => unquoted(one) === value) ? all : [...all, `"${value}"`])),
    cleanUp: ({ name, value }) => change(name, (all) => all.filter((one) => unquoted(one) !== value)),
  }
}
