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

/** The zones of one project, and changes to their sets of TXT records. */
class CloudZones {
  readonly #tools: ProviderTools
  readonly #login: ReturnType<typeof googleLogin>
  readonly #send: ReturnType<typeof bearing>
  readonly #zoneId: string | undefined
  readonly #withPrivate: boolean
  #project: Promise<string> | undefined

  constructor(tools: ProviderTools) {
    this.#tools = tools
    this.#login = googleLogin(tools)
    this.#send = bearing(tools.api, new Session(this.#login.token))
    this.#zoneId = given(tools, 'GCE_ZONE_ID')
    this.#withPrivate = /^(1|t|true)$/i.test(given(tools, 'GCE_ALLOW_PRIVATE_ZONE') ?? '')
  }

  /** The zones that may hold a record. */
  async list(): Promise<readonly Zone[]> {
    // Who may change one zone need not be allowed to list all.
    if (this.#zoneId !== undefined) {
      const answer = await this.#send({ method: 'GET', url: await this.#zoneUrl({ id: this.#zoneId }) })
      return [this.#zoneIn(fieldsOf(answer.json()))]
    }
    const url = `${await this.#projectUrl()}/managedZones`
    const all = await allFollowed(this.#tools.api, async (token: string | undefined) => {
      const query = token === undefined ? '' : `?pageToken=${encodeURIComponent(token)}`
      const fields = fieldsOf((await this.#send({ method: 'GET', url: `${url}${query}` })).json())
      // Without a zone there is no list.
      const items = fields && listOf(fields['managedZones'] ?? [])
      if (!items) throw this.#tools.api.nonsense('something else than zones')
      return { items, next: textOf(fields['nextPageToken']) }
    })
    const isPrivate = (zone: Readonly<Record<string, unknown>>) => zone['visibility'] === 'private'
    const hidden = this.#withPrivate ? all.filter(isPrivate) : []
    return [...all.filter((zone) => !isPrivate(zone)), ...hidden].map((fields) => this.#zoneIn(fields))
  }

  async read(zone: Zone, name: string): Promise<RecordSet | undefined> {
    const url = `${await this.#zoneUrl(zone)}/rrsets?name=${encodeURIComponent(`${name}.`)}&type=TXT`
    const list = listOf(fieldsOf((await this.#send({ method: 'GET', url })).json())?.['rrsets'] ?? [])
    const set = list?.find((one) => one['type'] === 'TXT' && one['name'] === `${name}.`)
    if (!set) return undefined
    const { ttl, rrdatas } = set
    if (typeof ttl !== 'number' || !Array.isArray(rrdatas))
      throw this.#tools.api.nonsense('a set of records without records')
    return { name: `${name}.`, type: 'TXT', ttl, rrdatas: rrdatas.map(String) }
  }

  /** False where the change does not fit to what is there now. */
  async change(zone: Zone, change: { deletions: RecordSet[]; additions: RecordSet[] }): Promise<boolean> {
    const url = `${await this.#zoneUrl(zone)}/changes`
    const answer = await this.#send({ method: 'POST', url, json: change, expected: unfit })
    if (unfit.includes(answer.status)) return false
    await this.#made(url, answer.json())
    return true
  }

  /** Waits until a change is made; what it tells is not yet at the name servers. */
  async #made(changes: string, change: unknown): Promise<void> {
    let fields = fieldsOf(change)
    const url = `${changes}/${encodeURIComponent(textOf(fields?.['id']) ?? '')}`
    for (let waited = 0; fields?.['status'] !== 'done'; waited += lookSeconds) {
      if (fields?.['status'] !== 'pending') throw this.#tools.api.nonsense('a change without a status')
      if (waited >= pendingSeconds)
        throw new NixacmeError('unavailable', `Google Cloud did not make a change within ${pendingSeconds} s`)
      await pause(lookSeconds, this.#tools.signal)
      fields = fieldsOf((await this.#send({ method: 'GET', url })).json())
    }
  }

  async #projectUrl(): Promise<string> {
    this.#project ??= this.#login.project()
    return `${base}/${encodeURIComponent(await this.#project)}`
  }

  async #zoneUrl({ id }: Pick<Zone, 'id'>): Promise<string> {
    return `${await this.#projectUrl()}/managedZones/${encodeURIComponent(id)}`
  }

  #zoneIn(fields: Readonly<Record<string, unknown>> | undefined): Zone {
    const [id, name] = [textOf(fields?.['name']), textOf(fields?.['dnsName'])]
    if (id === undefined || name === undefined) throw this.#tools.api.nonsense('a zone without a name')
    return { id, name: name.replace(/\.$/, '').toLowerCase() }
  }
}

function providerOf(tools: ProviderTools): DnsProvider {
  const zones = new CloudZones(tools)
  const zoneOf = zoneFinder(tools.api, () => zones.list())
  const change = (name: string, make: (values: readonly string[]) => readonly string[]) =>
    untilWritten(tools, name, async () => {
      const zone = await zoneOf(name)
      const before = await zones.read(zone, name)
      const values = before?.rrdatas ?? []
      const rrdatas = make(values)
      if (rrdatas.length === values.length) return true
      const after: RecordSet = { name: `${name}.`, type: 'TXT', ttl: before?.ttl ?? tools.ttl, rrdatas }
      return zones.change(zone, { deletions: before ? [before] : [], additions: rrdatas.length > 0 ? [after] : [] })
    })
  return {
    present: ({ name, value }) =>
      change(name, (all) => (all.some((one) => unquoted(one) === value) ? all : [...all, `"${value}"`])),
    cleanUp: ({ name, value }) => change(name, (all) => all.filter((one) => unquoted(one) !== value)),
  }
}
