import assert from 'node:assert/strict'
import test from 'node:test'
import { helpful, readLinks, urlsIn } from '../../src/acme/links.ts'

const base = 'https://ca.example/acme/order/1'

for (const [header, expected] of [
  [undefined, []],
  ['', []],
  ['nonsense', []],
  ['<https://ca.example/dir>;rel="index"', [['https://ca.example/dir', ['index']]]],
  ['</help>; rel=help', [['https://ca.example/help', ['help']]]],
  [
    '<2>;rel="Alternate up", <3>;rel="alternate"',
    [
      [`${base.slice(0, -1)}2`, ['alternate', 'up']],
      [`${base.slice(0, -1)}3`, ['alternate']],
    ],
  ],
  ['<https://a.example/?x=1,2;y>; title="a, b; rel=no" ; rel="help"', [['https://a.example/?x=1,2;y', ['help']]]],
  ['<https://[::1>;rel="help"', []],
] as const)
  test(`Link: ${header}`, () => {
    const links = readLinks(header, base).map(({ url, relations }) => [url, relations])
    assert.deepEqual(links, expected)
  })

test('a Link header full of links is bounded', () => {
  assert.equal(readLinks(Array(200).fill('<a>;rel="help"').join(', '), base).length, 20)
})

for (const [text, expected] of [
  ['see https://ca.example/a/?b=c%20d&e#f.', ['https://ca.example/a/?b=c%20d&e#f']],
  ['(https://ca.example/a), "https://ca.example/b"', ['https://ca.example/a', 'https://ca.example/b']],
  ['http://ca.example/ ftp://x', []],
  ["'https://ca.example/x?jwt=a.b_c-d'", ['https://ca.example/x?jwt=a.b_c-d']],
] as const)
  test(`URLs in: ${text}`, () => assert.deepEqual(urlsIn(text), expected))

test('helpful links are https, each once, without passwords, and few', () => {
  const many = Array.from({ length: 9 }, (_, i) => `https://ca.example/${i}`)
  assert.deepEqual(helpful([...many, ...many]), many.slice(0, 5))
  assert.deepEqual(helpful(['http://localhost/', 'https://a@ca.example/', 'javascript:alert(1)', 'x']), [])
})
