// The layout of the NixOS module and of lego, path by path.
import assert from 'node:assert/strict'
import test from 'node:test'
import { certPaths, defaultRoots, jobPath, slotPath } from '../../src/job/paths.ts'

const roots = { state: '/s', runtime: '/r', jobs: '/j' }
const names = {
  cert: 'wild',
  keyName: '_.example.com',
  certDirHash: 'c0',
  accountHash: 'a0',
  directoryUrl: 'https://acme-v02.api.letsencrypt.org/directory',
  accountName: 'hostmaster@example.test',
}

test('every path of a certificate', () => {
  assert.deepEqual(certPaths(roots, names), {
    lego: '/s/.lego',
    legoCert: '/s/.lego/wild',
    certificates: '/s/.lego/wild/c0',
    key: '/s/.lego/wild/c0/_.example.com.key',
    certificate: '/s/.lego/wild/c0/_.example.com.crt',
    issuer: '/s/.lego/wild/c0/_.example.com.issuer.crt',
    resource: '/s/.lego/wild/c0/_.example.com.json',
    domainHash: '/s/.lego/wild/c0/domainhash.txt',
    memory: '/s/.lego/wild/c0/nixacme.json',
    compromised: '/s/.lego/wild/compromised',
    revoked: '/s/.lego/wild/revoked',
    challenges: '/s/.lego/wild/.challenges.json',
    pendingOrder: '/s/.lego/wild/c0/.order.json',
    renewalInfo: '/s/.renewal-info/wild.json',
    out: '/s/wild',
    accounts: '/s/.lego/accounts',
    accountRoot: '/s/.lego/accounts/a0',
    account: '/s/.lego/accounts/a0/acme-v02.api.letsencrypt.org/hostmaster@example.test',
    accountJson: '/s/.lego/accounts/a0/acme-v02.api.letsencrypt.org/hostmaster@example.test/account.json',
    accountKey:
      '/s/.lego/accounts/a0/acme-v02.api.letsencrypt.org/hostmaster@example.test/keys/hostmaster@example.test.key',
  })
})

for (const [directoryUrl, folder] of [
  ['https://acme.test/dir', 'acme.test'],
  ['https://acme.test:14000/dir', 'acme.test_14000'],
  ['https://127.0.0.1:14000/dir', '127.0.0.1_14000'],
  ['https://ACME.test/dir', 'acme.test'],
] as const)
  test(`the accounts of '${directoryUrl}' are in '${folder}'`, () => {
    const { account } = certPaths(roots, { ...names, directoryUrl })
    assert.equal(account, `/s/.lego/accounts/a0/${folder}/hostmaster@example.test`)
  })

test('the roots of the module', () => {
  assert.equal(certPaths(defaultRoots, names).out, '/var/lib/acme/wild')
  assert.equal(slotPath(defaultRoots, 3), '/run/acme/3.lock')
  assert.equal(jobPath(defaultRoots, 'wild'), '/var/lib/nixacme/jobs/wild.json')
})
