// Dynamic updates (RFC 2136, RFC 8945) at real servers, BIND and Knot DNS, and the way there: zones, CNAMEs, secondaries.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { waitUntilVisible } from '../../src/acme/dns/propagation.ts'
import { rfc2136 } from '../../src/acme/dns/providers/rfc2136.ts'
import { openResolver, type Resolver } from '../../src/acme/dns/resolver.ts'
import { NixacmeError } from '../../src/errors.ts'
import type { Log } from '../../src/log.ts'
import { needs } from '../support/needs.ts'
import { makeHookWorld } from './hook-world.ts'
import { algorithms, keyName, policed, secretOf, startNameServers } from './name-servers.ts'

const [value, second] = ['LPsIwTo7o8BoG0-vjCyGQGBWSVIPxI-i_X336eUOQZo', 'gfj9Xq-Rg85nM_0123456789abcdefABCDEF0123456']
const foreign = 'v=spf1 -all'

const unwanted = () => assert.fail('not said here')
const silent: Log = {
  error: unwanted,
  warning: unwanted,
  notice: unwanted,
  info: unwanted,
  about: () => silent,
  waiting: unwanted,
  progress: unwanted,
}

const variablesOf = (server: string, algorithm = 'hmac-sha256') => ({
  RFC2136_NAMESERVER: server,
  RFC2136_TSIG_KEY: keyName(algorithm),
  RFC2136_TSIG_ALGORITHM: `${algorithm}.`,
  RFC2136_TSIG_SECRET: secretOf(algorithm),
})

const isOf = (kind: string, pattern: RegExp) => (e: unknown) => {
  assert.ok(e instanceof NixacmeError, String(e))
  assert.match(e.message, pattern)
  assert.equal(e.kind, kind)
  const words = `${e.message} ${e.hints} ${e.stack}`
  for (const one of [...algorithms, 'stranger', 'nobody']) assert.ok(!words.includes(secretOf(one).slice(0, 8)), words)
  return true
}

test('rfc2136 at real servers', async (t) => {
  if (!needs(t, 'bind9', 'knot')) return
  const servers = await startNameServers(t)
  const { bind, knot, secondary, txt } = servers
  const world = makeHookWorld(t)
  const provider = (variables: Readonly<Record<string, string>>) => world.open(rfc2136, variables)

  for (const algorithm of algorithms)
    for (const [address, zone] of [
      [bind, 'example.test'],
      [knot, 'elsewhere.test'],
    ] as const)
      await t.test(`${zone}, ${algorithm}: values come and go beside those of others`, async () => {
        const variables = variablesOf(address, algorithm)
        const name = `_acme-challenge.${zone}`
        for (const one of [value, second, value]) await provider(variables).present({ name, value: one })
        assert.deepEqual(await txt(address, name), [second, value, foreign].sort())
        await provider(variables).cleanUp({ name, value })
        assert.deepEqual(await txt(address, name), [second, foreign].sort())
        for (const one of [second, second, 'never there']) await provider(variables).cleanUp({ name, value: one })
        assert.deepEqual(await txt(address, name), [foreign])
      })

  await t.test('several at once', async () => {
    const one = provider(variablesOf(bind))
    const records = Array.from({ length: 20 }, (_, i) => ({
      name: '_acme-challenge.many.example.test',
      value: `value ${i}`,
    }))
    await Promise.all(records.map((record) => one.present(record)))
    assert.equal((await txt(bind, '_acme-challenge.many.example.test')).length, 20)
    await Promise.all(records.map((record) => one.cleanUp(record)))
    assert.deepEqual(await txt(bind, '_acme-challenge.many.example.test'), [])
  })

  await t.test('a name in a child zone is changed there', async () => {
    const record = { name: policed, value }
    await provider(variablesOf(bind)).present(record)
    assert.deepEqual(await txt(bind, record.name), [value])
    await provider(variablesOf(bind)).cleanUp(record)
    // This key may change the parent only.
    const parentOnly = provider(variablesOf(bind, 'hmac-sha512')).present(record)
    await assert.rejects(
      parentOnly,
      isOf('refused', /refused the update of '\S+' in zone 'child\.example\.test': REFUSED$/),
    )
  })

  await t.test('a name in a zone that others serve is refused, not hidden below the cut', async () => {
    const record = { name: '_acme-challenge.www.far.example.test', value }
    const words = /has delegated 'far\.example\.test', which '\S+' lies in, to 'ns1\.elsewhere\.test'$/
    await assert.rejects(provider(variablesOf(bind)).present(record), isOf('refused', words))
  })

  await t.test('zones told by the config are not asked for', async () => {
    const record = { name: '_acme-challenge.www.child.example.test', value }
    const zones = { RFC2136_ZONES: 'other.test, Example.test.' }
    const refused = isOf('refused', /in zone 'example\.test': (NOTZONE|REFUSED)$/)
    // BIND keeps it below the cut, or says no: either way the zone was the one that was told.
    await provider({ ...variablesOf(bind), ...zones })
      .present(record)
      .catch(refused)
    await provider({ ...variablesOf(bind), ...zones })
      .cleanUp(record)
      .catch(refused)
    const none = provider({ ...variablesOf(bind), RFC2136_ZONES: 'other.test' }).present(record)
    await assert.rejects(none, isOf('config', /lies in no zone of 'RFC2136_ZONES'$/))
  })

  for (const [what, address, more, kind, pattern] of [
    [
      'another secret',
      bind,
      { RFC2136_TSIG_SECRET: secretOf('nobody') },
      'refused',
      /'acme-hmac-sha256' .*BADSIG, another secret$/,
    ],
    ['another secret, Knot', knot, { RFC2136_TSIG_SECRET: secretOf('nobody') }, 'refused', /BADSIG, another secret$/],
    [
      'an unknown key',
      bind,
      { RFC2136_TSIG_KEY: 'nobody' },
      'refused',
      /'nobody' .*BADKEY, no such key, or not for this$/,
    ],
    ['an unknown key, Knot', knot, { RFC2136_TSIG_KEY: 'nobody' }, 'refused', /BADKEY, no such key, or not for this$/],
    [
      'another algorithm',
      bind,
      { RFC2136_TSIG_ALGORITHM: 'hmac-sha512' },
      'refused',
      /BADKEY, no such key, or not for this$/,
    ],
    [
      'a key that may do nothing',
      bind,
      { RFC2136_TSIG_KEY: keyName('stranger'), RFC2136_TSIG_SECRET: secretOf('stranger') },
      'refused',
      /in zone 'example\.test': REFUSED$/,
    ],
    [
      'a key that may do nothing, Knot',
      knot,
      { RFC2136_TSIG_KEY: keyName('stranger'), RFC2136_TSIG_SECRET: secretOf('stranger') },
      'refused',
      /'acme-stranger' .*BADKEY, no such key, or not for this$/,
    ],
    ['no key', bind, { RFC2136_TSIG_KEY: '', RFC2136_TSIG_SECRET: '' }, 'refused', /in zone 'example\.test': REFUSED$/],
  ] as const)
    await t.test(`${what}: refused, and told without the secret`, async () => {
      const name = address === bind ? '_acme-challenge.example.test' : '_acme-challenge.elsewhere.test'
      const refused = provider({ ...variablesOf(address), ...more }).present({ name, value })
      await assert.rejects(refused, isOf(kind, pattern))
      assert.deepEqual(await txt(address, name), [foreign])
    })

  await t.test('a clock that is wrong: told', async () => {
    const now = () => new Date(Date.now() - 3_600_000)
    for (const [address, zone] of [
      [bind, 'example.test'],
      [knot, 'elsewhere.test'],
    ] as const) {
      const late = world.open(rfc2136, variablesOf(address), { now })
      await assert.rejects(
        late.present({ name: `_acme-challenge.${zone}`, value }),
        isOf('refused', /BADTIME, the clocks are apart$/),
      )
    }
  })

  await t.test('a zone that takes no updates, and one that is not there', async () => {
    const one = provider(variablesOf(bind))
    await assert.rejects(
      one.present({ name: '_acme-challenge.locked.test', value }),
      isOf('refused', /'locked\.test': REFUSED$/),
    )
    const elsewhere = provider(variablesOf(knot)).present({ name: '_acme-challenge.nowhere.test', value })
    await assert.rejects(elsewhere, isOf('refused', /tells no zone for '_acme-challenge\.nowhere\.test': REFUSED/))
  })

  await t.test('where a CNAME is nothing is lost silently', async () => {
    const refused = provider(variablesOf(bind)).present({ name: '_acme-challenge.alias.example.test', value })
    await assert.rejects(refused, isOf('refused', /YXRRSET, there is a CNAME$/))
  })

  await t.test('without a key, where the server wants none; half a key is none, and warned about', async () => {
    const record = { name: '_acme-challenge.open.test', value }
    const half = { RFC2136_NAMESERVER: bind, RFC2136_TSIG_KEY: 'acme' }
    await provider(half).present(record)
    assert.deepEqual(world.told.splice(0), [
      "'RFC2136_TSIG_SECRET' is not set: updates are not signed, ignoring 'RFC2136_TSIG_KEY'",
    ])
    assert.deepEqual(await txt(bind, record.name), [value])
    await provider({ RFC2136_NAMESERVER: bind }).cleanUp(record)
    assert.deepEqual(await txt(bind, record.name), [])
  })

  await t.test('with a key file as tsig-keygen writes it', async () => {
    const text = `key "${keyName('hmac-sha384')}" {\n\talgorithm hmac-sha384;\n\tsecret "${secretOf('hmac-sha384')}";\n};\n`
    const record = { name: '_acme-challenge.file.example.test', value }
    await provider({ RFC2136_NAMESERVER: bind, RFC2136_TSIG: text }).present(record)
    assert.deepEqual(await txt(bind, record.name), [value])
    await provider({ RFC2136_NAMESERVER: bind, RFC2136_TSIG: text }).cleanUp(record)
  })

  await t.test("lego's newer names of the variables go first", async () => {
    const record = { name: '_acme-challenge.newer.example.test', value }
    const newer = Object.entries(variablesOf(bind)).map(([name, one]) => [name.replace('RFC2136', 'DNSUPDATE'), one])
    const variables = { ...variablesOf('127.0.0.1:1', 'hmac-sha1'), ...Object.fromEntries(newer) }
    await provider(variables).present(record)
    assert.deepEqual(await txt(bind, record.name), [value])
    await provider(variables).cleanUp(record)
    assert.throws(() => provider({ ...variables, DNSUPDATE_TTL: 'soon' }), /no whole number of seconds: 'soon'/)
  })

  await t.test('a CNAME leads to the zone of another server', async () => {
    const resolver = await openResolver({ dnsResolver: bind, signal: new AbortController().signal })
    const name = await resolver.effectiveName('_acme-challenge.alias.example.test')
    assert.equal(name, '_acme-challenge.alias.elsewhere.test')
    assert.equal(await resolver.zoneOf(name), 'elsewhere.test')
    assert.deepEqual(await resolver.serversOf('elsewhere.test'), [
      { name: 'ns1.elsewhere.test', addresses: [{ address: '127.0.0.1', port: 53 }] },
    ])
    await provider(variablesOf(knot)).present({ name, value })
    // What a CA sees, when its resolver has forgotten after a second that there was nothing.
    const end = AbortSignal.timeout(10_000)
    const seen = () => txt(bind, '_acme-challenge.alias.example.test')
    while ((await seen()).length === 0 && !end.aborted) await new Promise((resolve) => setTimeout(resolve, 50))
    assert.deepEqual(await seen(), [value])
    await provider(variablesOf(knot)).cleanUp({ name, value })
  })

  await t.test('a slow secondary is waited for', async () => {
    const signal = new AbortController().signal
    const found = await openResolver({ dnsResolver: bind, signal })
    const portOf = (name: string) => Number((name.startsWith('ns1') ? bind : secondary).split(':')[1])
    const resolver: Resolver = {
      ...found,
      // Their own ports in place of 53.
      serversOf: async (zone) =>
        (await found.serversOf(zone)).map(({ name, addresses }) => ({
          name,
          addresses: addresses.map(({ address }) => ({ address, port: portOf(name) })),
        })),
    }
    const record = { name: '_acme-challenge.www.example.test', value }
    await provider(variablesOf(bind)).present(record)
    const said: string[] = []
    let refreshed: Promise<void> | undefined
    const log = {
      ...silent,
      waiting(message: string) {
        said.push(message)
        refreshed ??= txt(secondary, record.name).then((found) => {
          assert.deepEqual(found, [])
          return servers.refresh()
        })
      },
    }
    const times = { propagationTimeout: 30, pollingInterval: 0.05 }
    await waitUntilVisible([record], { resolver, times, signal, log })
    await refreshed
    assert.deepEqual(said, [`waiting for 'ns2.example.test' (127.0.0.1) to show the record`])
    assert.deepEqual(await txt(secondary, record.name), [value])
    await provider(variablesOf(bind)).cleanUp(record)
  })

  await t.test('all is as it was, and nothing was told', async () => {
    assert.deepEqual(await txt(bind, '_acme-challenge.example.test'), [foreign])
    assert.deepEqual(await txt(knot, '_acme-challenge.elsewhere.test'), [foreign])
    assert.deepEqual(world.told, [])
  })
})
