// The providers that there are, as the config knows them, and as `nixacme dns` tells them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bridges, providers } from '../../src/acme/dns/providers.ts'
import { dnsBridges, dnsProviders } from '../../src/config/dns-providers.ts'
import { main } from '../../src/main.ts'
import { fakeHost } from '../support/fake-host.ts'

async function nixacme(...args: readonly string[]) {
  const host = fakeHost()
  return { status: await main(args, host), ...host.said }
}

test('the config knows the providers and bridges that there are', () => {
  assert.deepEqual(
    providers.map(({ name }) => name),
    dnsProviders,
  )
  assert.deepEqual(
    bridges.map(({ prefix }) => prefix),
    dnsBridges,
  )
})

test('dns list names all of them, a line each', async () => {
  const { status, stdout } = await nixacme('dns', 'list')
  assert.equal(status, 0)
  const lines = stdout.trimEnd().split('\n')
  assert.equal(lines.length, providers.length + bridges.length)
  for (const name of dnsProviders) assert.match(stdout, new RegExp(`^${name}  +\\S`, 'm'))
  const { stdout: json } = await nixacme('dns', 'list', '--json')
  assert.deepEqual(
    JSON.parse(json).map(({ name }: { name: string }) => name),
    dnsProviders,
  )
})

for (const { name, variables, prefix } of providers)
  test(`dns show ${name} tells its variables and times`, async () => {
    const { status, stdout } = await nixacme('dns', 'show', name)
    assert.equal(status, 0)
    for (const one of [...variables.map((variable) => variable.name), `${prefix}_TTL`])
      assert.match(stdout, new RegExp(`^  ${one} +\\S`, 'm'))
    assert.match(stdout, /^verified \S/m)
  })

test('dns show of a provider that there is not: 64, with where they are named', async () => {
  const { status, stdout, stderr } = await nixacme('dns', 'show', 'cloudflair')
  assert.deepEqual([status, stdout], [64, ''])
  assert.match(stderr, /there is no DNS provider 'cloudflair'/)
})
