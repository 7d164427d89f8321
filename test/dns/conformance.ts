// What every provider must do, proven with a fake of its interface: values are added beside others and taken away alone, in
// any order and more than once, in another process than the one that put them there; refusals are told without a credential.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ProviderDefinition } from '../../src/acme/dns/provider.ts'
import { NixacmeError } from '../../src/errors.ts'
import { type FakeReply, type FakeRequest, startFakeApi } from './fake-api.ts'

/** A fake with the zone `example.com` in it, and others. */
export interface Fake {
  /** Answers by the documentation; throws (assert) for what it does not have, wrong credentials too. */
  handle(request: FakeRequest): FakeReply
  /** The values of the TXT records at this name of `example.com`, without quotes. */
  values(name: string): string[]
  /** Puts one there, as somebody else would have. */
  add(name: string, value: string): void
}

export interface Conformance {
  readonly definition: ProviderDefinition
  readonly hosts: readonly string[]
  /** What works; secret values hold the word `canary`. */
  readonly variables: Readonly<Record<string, string>>
  makeFake(): Fake
  /** What the provider answers to wrong credentials; a function, where some requests need none. */
  readonly denied: FakeReply | ((request: FakeRequest) => FakeReply)
  /** The zone of the cases, where the provider serves no other; undefined: example.com. */
  readonly zone?: string
  /** What it answers when it was asked too often; undefined: 429. */
  readonly limited?: FakeReply
  /** It takes one value for a name only (DuckDNS): the cases with several are left out, and its manual tells. */
  readonly oneValue?: boolean
  /** It knows no zones: whoever answers for it decides which names it takes. */
  readonly knowsNoZones?: boolean
  /** What it answers has no form: none of it is nonsense. */
  readonly answersAnything?: boolean
}

const value = 'LPsIwTo7o8BoG0-vjCyGQGBWSVIPxI-i_X336eUOQZo'
const second = 'gfj9Xq-Rg85nM_0123456789abcdefABCDEF0123456'
const foreign = 'v=spf1 -all'

const isOf =
  (kind: string, more: (e: NixacmeError) => void = () => {}) =>
  (e: unknown) => {
    assert.ok(e instanceof NixacmeError, String(e))
    assert.equal(e.kind, kind, e.message)
    assert.doesNotMatch(`${e.message} ${e.hints} ${e.stack}`, /canary/)
    more(e)
    return true
  }

/** Registers the cases. */
export function proveConformance({
  definition,
  hosts,
  variables,
  makeFake,
  denied,
  limited,
  oneValue,
  answersAnything,
  knowsNoZones,
  zone = 'example.com',
}: Conformance): void {
  const [name, other] = [`_acme-challenge.www.${zone}`, `_acme-challenge.${zone}`]
  const { title, name: code } = definition
  const caseOf = (what: string, action: (t: Parameters<typeof startFakeApi>[0], fake: Fake) => Promise<void>) =>
    test(`${code}: ${what}`, (t) => action(t, makeFake()))

  caseOf('a value is put there, once, and taken away', async (t, fake) => {
    const api = await startFakeApi(t, hosts, fake.handle)
    await api.open(definition, variables).present({ name, value })
    assert.deepEqual(fake.values(name), [value])
    await api.open(definition, variables).present({ name, value })
    assert.deepEqual(fake.values(name), [value])
    await api.open(definition, variables).cleanUp({ name, value })
    assert.deepEqual(fake.values(name), [])
    await api.open(definition, variables).cleanUp({ name, value })
    assert.deepEqual(fake.values(name), [])
  })

  if (!oneValue)
    caseOf('two values at one name, beside one of somebody else: each goes alone', async (t, fake) => {
      fake.add(other, foreign)
      const api = await startFakeApi(t, hosts, fake.handle)
      const provider = api.open(definition, variables)
      await provider.present({ name: other, value })
      await provider.present({ name: other, value: second })
      assert.deepEqual(fake.values(other).sort(), [value, second, foreign].sort())
      await api.open(definition, variables).cleanUp({ name: other, value })
      assert.deepEqual(fake.values(other).sort(), [second, foreign].sort())
      await api.open(definition, variables).cleanUp({ name: other, value: second })
      assert.deepEqual(fake.values(other), [foreign])
    })

  caseOf('a clean-up after a present that never came leaves all as it is', async (t, fake) => {
    if (!oneValue) fake.add(name, foreign)
    const before = fake.values(name)
    const api = await startFakeApi(t, hosts, fake.handle)
    await api.open(definition, variables).cleanUp({ name, value })
    assert.deepEqual(fake.values(name), before)
  })

  caseOf('wrong credentials are refused, and not told', async (t) => {
    const api = await startFakeApi(t, hosts, typeof denied === 'function' ? denied : () => denied)
    const provider = api.open(definition, variables)
    const tells = (e: NixacmeError) => assert.ok(e.message.includes(title), e.message)
    await assert.rejects(provider.present({ name, value }), isOf('refused', tells))
    await assert.rejects(provider.cleanUp({ name, value }), isOf('refused', tells))
  })

  if (!knowsNoZones)
    caseOf('a name of no zone that the account holds is refused, and named', async (t, fake) => {
      const api = await startFakeApi(t, hosts, fake.handle)
      const provider = api.open(definition, variables, ['elsewhere.test'])
      const tells = (e: NixacmeError) => assert.match(e.message, /elsewhere\.test/)
      const record = { name: '_acme-challenge.www.elsewhere.test', value }
      await assert.rejects(provider.present(record), isOf('refused', tells))
      await assert.rejects(provider.cleanUp(record), isOf('refused', tells))
    })

  caseOf('asked too often: waits and tries again', async (t, fake) => {
    let left = 1
    const api = await startFakeApi(t, hosts, (request) =>
      left-- > 0 ? (limited ?? { status: 429, headers: { 'retry-after': '1' }, json: {} }) : fake.handle(request),
    )
    await api.open(definition, variables).present({ name, value })
    assert.deepEqual(fake.values(name), [value])
  })

  if (!answersAnything)
    caseOf('nonsense in place of an answer is told', async (t) => {
      const api = await startFakeApi(t, hosts, () => ({
        text: '<html>canary</html>',
        headers: { 'content-type': 'text/html' },
      }))
      await assert.rejects(api.open(definition, variables).present({ name, value }), (e) => {
        assert.ok(e instanceof NixacmeError && ['unavailable', 'refused'].includes(e.kind), String(e))
        return true
      })
    })

  for (const { name: variable, required, aliases = [] } of definition.variables)
    if (required)
      caseOf(`without ${variable}: told by name`, async (t) => {
        const api = await startFakeApi(t, hosts, () => assert.fail('nothing may be asked'))
        const left = Object.fromEntries(
          Object.entries(variables).filter(([key]) => key !== variable && !aliases.includes(key)),
        )
        assert.throws(
          () => api.open(definition, left),
          isOf('config', (e) => assert.ok(e.message.includes(`'${variable}'`))),
        )
      })
}
