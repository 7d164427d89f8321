// Stored data that is damaged, foreign or newer than this nixacme: 65 and hands off, or, where a new certificate mends it,
// a warning and a run.
import assert from 'node:assert/strict'
import { readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { foreignKey, makeSet, truncate } from '../support/certificates.ts'
import { changesBetween } from '../support/tree.ts'
import { cert, errorsIn, makeWorld, type World, ways } from '../support/world.ts'
import { type BadInput, badInputs, closeCa } from './bad-input.ts'

const spoilFile = (pathOf: (world: World) => string, change: (text: string) => string) => (world: World) => {
  const path = pathOf(world)
  writeFileSync(path, change(readFileSync(path, 'utf8')))
}

const otherKey = async (world: World) => {
  const { key } = await foreignKey(await makeSet({ names: [cert] }))
  writeFileSync(world.paths().key, key)
}

/** Damaged candidates: what is wrong, by the words of the warning. */
const candidates: readonly { name: string; spoil(world: World): unknown; warning: RegExp }[] = [
  {
    name: 'a stored certificate that is cut off',
    spoil: spoilFile((w) => w.paths().certificate, truncate),
    warning: /the stored certificate in '.*' cannot be used: /,
  },
  {
    name: 'a stored chain that is cut off',
    spoil: spoilFile(
      (w) => w.paths().certificate,
      (text) => text.slice(0, -100),
    ),
    warning: /cannot be used: the chain is damaged or cut short/,
  },
  {
    name: 'a stored key that is cut off',
    spoil: spoilFile((w) => w.paths().key, truncate),
    warning: /cannot be used: /,
  },
  { name: 'the key of another certificate', spoil: otherKey, warning: /cannot be used: .*key/ },
  {
    name: 'an empty file in place of the certificate',
    spoil: spoilFile(
      (w) => w.paths().certificate,
      () => '',
    ),
    warning: /cannot be used: /,
  },
]

badInputs(
  'a damaged candidate while the CA is down',
  candidates.map(({ name, spoil }) => ({
    name,
    async spoil(world) {
      await spoil(world)
      await closeCa(world)
    },
    status: 69,
    error: /cannot reach the CA at '127\.0\.0\.1:\d+': connection refused/,
    hint: /option 'server'/,
  })),
)

describe('a damaged candidate while the CA is up', { concurrency: 3 }, () => {
  for (const { name, spoil, warning } of candidates)
    test(`${name}: told, and a new one heals it`, async (t) => {
      const world = await makeWorld(t, { way: 'in-process' })
      await world.issueAll()
      await spoil(world)
      const installed = readFileSync(join(world.paths().out, 'full.pem'), 'utf8')
      const { status, stdout, stderr } = await world.nixacme(['renew', cert])
      assert.deepEqual([status, stdout], [0, ''], stderr)
      assert.match(stderr, new RegExp(`nixacme: warning: ${cert}: .*${warning.source}`))
      assert.match(stderr, /getting a certificate: what is stored cannot be used/)
      assert.equal(world.ca.count('finalize'), 1)
      assert.equal(world.ca.count('newAccount'), 0)
      assert.notEqual(readFileSync(join(world.paths().out, 'full.pem'), 'utf8'), installed)
      assert.match((await world.nixacme(['renew', cert])).stderr, /skipping renewal/)
    })
})

for (const way of ways)
  test(`a mixed set in out/ is healed from the candidate, without a request (${way})`, async (t) => {
    const world = await makeWorld(t, { way })
    await world.issueAll()
    const { out, key, certificate } = world.paths()
    const other = await makeSet({ names: [cert] })
    rmSync(join(out, 'key.pem'))
    writeFileSync(join(out, 'key.pem'), other.key)
    const before = world.tree()
    const { status, stderr } = await world.nixacme(['renew', cert])
    assert.equal(status, 0, stderr)
    assert.equal(world.ca.count(), 0)
    const shown = (name: string) => readFileSync(join(out, name), 'utf8')
    assert.equal(shown('key.pem'), readFileSync(key, 'utf8'))
    assert.equal(shown('full.pem'), readFileSync(key, 'utf8') + readFileSync(certificate, 'utf8'))
    assert.deepEqual(changesBetween(before, world.tree()), [`~${join(out, 'key.pem')}`])
  })

const jobFile = (w: World) => join(w.roots.jobs, `${cert}.json`)

/** Compiles the jobs, then changes the file of one. */
const spoilJob = (change: (text: string) => string) => async (world: World) => {
  await world.nixacme(['apply'])
  spoilFile(jobFile, change)(world)
}

const otherMember = (name: string, value: unknown) => (text: string) =>
  JSON.stringify({ ...JSON.parse(text), [name]: value })

const stored: readonly Omit<BadInput, 'status'>[] = [
  {
    name: 'a job that is no JSON',
    spoil: spoilJob(() => 'cert = "example.com"'),
    error: /job file '.*example\.com\.json' is not JSON/,
    hint: /nixacme apply/,
  },
  {
    name: "somebody else's JSON in place of a job",
    spoil: spoilJob(() => '{"version": 3, "hello": "world"}'),
    error: /is not a job: 'cert' is missing or wrong/,
    hint: /nixacme apply/,
  },
  { name: 'a list in place of a job', spoil: spoilJob(() => '[]'), error: /holds no object/, hint: /nixacme apply/ },
  {
    name: 'a job of a newer nixacme',
    spoil: spoilJob(otherMember('version', 4)),
    error: /has version 4, this nixacme reads 3/,
    hint: /nixacme apply/,
  },
  {
    name: "another certificate's job",
    spoil: spoilJob(otherMember('cert', 'other.example')),
    error: /is the job of 'other\.example', not of 'example\.com'/,
    hint: /nixacme apply/,
  },
  {
    name: 'a job whose key name leads out of the folder',
    spoil: spoilJob(otherMember('keyName', '../../x')),
    error: /is not a job: 'keyName'/,
    hint: /nixacme apply/,
  },
  {
    name: 'a memory of a newer nixacme',
    spoil: (w) => writeFileSync(w.paths().memory, '{"version": 9, "retryAt": "2030-01-01T00:00:00Z"}'),
    args: ['renew', '--now', cert],
    error: /nixacme\.json' has version 9, this nixacme reads up to 1/,
    hint: /written by a newer nixacme/,
  },
  {
    name: 'a memory that is no JSON',
    spoil: (w) => writeFileSync(w.paths().memory, '{"version": 1, '),
    error: /nixacme\.json' is not JSON/,
    hint: /move '.*' aside/,
  },
  {
    name: 'a memory without a version',
    spoil: (w) => writeFileSync(w.paths().memory, '[]'),
    error: /nixacme\.json' names no version/,
    hint: /move '.*' aside/,
  },
  {
    name: 'an account key that is garbage',
    spoil: (w) => writeFileSync(w.paths().accountKey, 'not a key\n'),
    args: ['renew', '--now', cert],
    error: /account key '.*admin@example\.com\.key' cannot be read as a private key/,
    hint: /restore it from a backup/,
  },
]

badInputs(
  'stored data',
  stored.map((bad) => ({ ...bad, status: 65 })),
)

test('a folder in place of the certificate is an error that names it, and stays', async (t) => {
  const world = await makeWorld(t, { way: 'in-process' })
  await world.issueAll()
  const { certificate } = world.paths()
  rmSync(certificate)
  symlinkSync(world.dir, certificate)
  const before = world.tree()
  const said = await world.nixacme(['renew', cert])
  assert.equal(said.status, 65, said.stderr)
  assert.match(errorsIn(said)[0] ?? '', /cannot read '.*example\.com\.crt': is a directory/)
  assert.deepEqual(changesBetween(before, world.tree()), [])
})
