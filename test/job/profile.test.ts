// The profile that is ordered, one line of data a case.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chooseProfile, profileWords } from '../../src/job/profile.ts'

const none: readonly string[] = []
const letsEncrypt = ['classic', 'tlsserver', 'shortlived']
const [dns, ip] = [['a.example'], ['a.example', '2001:db8::1']]
const many = Array.from({ length: 26 }, (_, i) => `${i}.example`)
const directoryUrl = 'https://acme-v02.api.letsencrypt.org/directory'

type Case = readonly [
  names: readonly string[],
  accepted: readonly string[],
  policy: 'required' | 'preferred',
  offered: readonly string[] | undefined,
  profile: string | undefined | 'refused',
  words: string,
]

const cases: readonly Case[] = [
  [dns, none, 'required', undefined, undefined, ''],
  [dns, none, 'required', none, undefined, ''],
  [dns, none, 'required', letsEncrypt, undefined, ''],
  [dns, ['tlsserver'], 'required', undefined, 'tlsserver', "profile 'tlsserver', if the CA offers it"],
  [dns, ['tlsserver'], 'required', letsEncrypt, 'tlsserver', "profile 'tlsserver'"],
  [dns, ['gone', 'tlsserver'], 'required', letsEncrypt, 'tlsserver', "profile 'tlsserver', the first on offer"],
  [dns, ['gone'], 'required', ['classic'], 'refused', "the CA offers no profile 'gone', only 'classic'"],
  [dns, ['a', 'b'], 'required', none, 'refused', "the CA offers no profile of 'a', 'b', it has none"],
  [
    dns,
    ['gone'],
    'preferred',
    ['classic'],
    undefined,
    "the CA offers no profile 'gone', only 'classic': ordering without",
  ],
  [dns, ['gone'], 'preferred', none, undefined, "the CA offers no profile 'gone', it has none: ordering without"],
  [ip, none, 'required', letsEncrypt, 'shortlived', "profile 'shortlived', for there is an IP address"],
  [
    ip,
    none,
    'required',
    undefined,
    'shortlived',
    "profile 'shortlived', if the CA offers it, for there is an IP address",
  ],
  [ip, none, 'required', ['default'], undefined, ''],
  [ip, ['classic'], 'required', letsEncrypt, 'classic', "profile 'classic'"],
  [
    ip,
    ['classic', 'tlsserver', 'shortlived'],
    'required',
    letsEncrypt,
    'shortlived',
    "profile 'shortlived', the first that takes these names",
  ],
  [
    ip,
    ['classic', 'shortlived'],
    'required',
    undefined,
    'shortlived',
    "profile 'shortlived', the first that takes these names, if the CA offers it",
  ],
  [
    many,
    ['shortlived', 'classic'],
    'required',
    letsEncrypt,
    'classic',
    "profile 'classic', the first that takes these names",
  ],
]

for (const [names, profiles, profilePolicy, offered, expected, words] of cases)
  test(`${names.slice(0, 2)}, ${profiles.length === 0 ? 'none' : profiles} ${profilePolicy}, on offer ${offered ?? 'unknown'}: ${expected}`, () => {
    const choice = chooseProfile({ directoryUrl, names, profiles, profilePolicy }, offered)
    assert.equal(choice.kind === 'refuse' ? 'refused' : choice.profile, expected)
    assert.equal(profileWords(choice), words)
  })

test('what is known of one CA is not said of another', () => {
  const wish = { names: many, profiles: ['shortlived', 'classic'], profilePolicy: 'required' as const }
  const choice = chooseProfile({ ...wish, directoryUrl: 'https://ca.example/dir' }, letsEncrypt)
  assert.equal(choice.kind === 'order' && choice.profile, 'shortlived')
})
