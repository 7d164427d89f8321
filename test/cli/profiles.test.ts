// Profiles through the whole command: what plan says before and after the CA was asked, what is ordered, and what is refused.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cert, errorsIn, makeWorld, type World, type WorldOptions } from '../support/world.ts'

const offer = (world: World, ...profiles: string[]) =>
  world.ca.fault('directory', {
    do: 'patch',
    json: { meta: { profiles: Object.fromEntries(profiles.map((name) => [name, `about ${name}`])) } },
  })

async function planned(world: World): Promise<readonly [unknown, string]> {
  const { stdout } = await world.nixacme(['plan', '--json'])
  const [plan] = JSON.parse(stdout) as { profile: unknown }[]
  return [plan?.profile, (await world.nixacme(['plan'])).stdout.split('\n')[1] ?? '']
}

const ordered = ({ ca }: World) =>
  ca.requests.flatMap(({ kind, payload }) => (kind === 'newOrder' ? [(payload as { profile?: string }).profile] : []))

const makeProfiled = (t: Parameters<typeof makeWorld>[0], options: Record<string, string | string[]>) =>
  makeWorld(t, { way: 'in-process', certs: { [cert]: options } } satisfies WorldOptions)

test('plan names the profile: the first wanted at first, then the one of the CA; that is what is ordered', async (t) => {
  const world = await makeProfiled(t, { profile: ['tlsserver', 'classic'] })
  offer(world, 'classic', 'shortlived')
  const [before, words] = await planned(world)
  assert.equal(before, 'tlsserver')
  assert.match(words, /; profile 'tlsserver', if the CA offers it$/)
  assert.equal((await world.nixacme(['renew', cert])).status, 0)
  assert.deepEqual(ordered(world), ['classic'])
  const [after, wordsAfter] = await planned(world)
  assert.equal(after, 'classic')
  assert.match(wordsAfter, /; profile 'classic', the first on offer$/)
})

test('without a profile plan says nothing of any, and none is ordered', async (t) => {
  const world = await makeProfiled(t, {})
  offer(world, 'classic')
  assert.equal((await world.nixacme(['renew', cert])).status, 0)
  const [profile, words] = await planned(world)
  assert.equal(profile, null)
  assert.doesNotMatch(words, /profile/)
  assert.deepEqual(ordered(world), [undefined])
})

test('none on offer will do: 76 with what there is, no order; plan then says so', async (t) => {
  const world = await makeProfiled(t, { profile: 'tlsserver' })
  offer(world, 'classic', 'shortlived')
  const said = await world.nixacme(['renew', cert])
  assert.equal(said.status, 76, said.stderr)
  assert.match(errorsIn(said)[0] ?? '', /the CA offers no profile 'tlsserver', only 'classic', 'shortlived'$/)
  assert.deepEqual(ordered(world), [])
  assert.equal(world.ca.stats.accounts, 0)
  const [profile, words] = await planned(world)
  assert.equal(profile, null)
  assert.match(words, /the CA offers no profile 'tlsserver', only 'classic', 'shortlived'/)
})

test('none on offer will do, but none is required: ordered without, and said', async (t) => {
  const world = await makeProfiled(t, { profile: 'tlsserver', profilePolicy: 'preferred' })
  const { status, stderr } = await world.nixacme(['renew', cert])
  assert.equal(status, 0, stderr)
  assert.match(stderr, /the CA offers no profile 'tlsserver', it has none: ordering without/)
  assert.deepEqual(ordered(world), [undefined])
})

test('an address takes the short-lived profile where there is one, and plan says so', async (t) => {
  const world = await makeWorld(t, { way: 'in-process', certs: { [cert]: { extraDomainNames: ['127.0.0.1'] } } })
  offer(world, 'classic', 'shortlived')
  const [, before] = await planned(world)
  assert.match(before, /; profile 'shortlived', if the CA offers it, for there is an IP address$/)
})
