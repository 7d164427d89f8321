// The little XML that providers answer with: what is read, and what is no answer.
import assert from 'node:assert/strict'
import test from 'node:test'
import { elementAt, elementsNamed, parseXml, textAt, xmlEscaped } from '../../src/acme/dns/xml.ts'

test('elements, attributes, text, comments and escapes', () => {
  const root = parseXml(
    '\uFEFF<?xml version="1.0"?>\n<a x="1 &amp; &quot;2&#34;" y=\'&#x41;\nb\'><!-- <b> --><b>  one &lt; two </b><b/><c:d><![CDATA[<raw>&amp;]]></c:d></a>\n',
  )
  assert.deepEqual(root?.attributes, { x: '1 & "2"', y: 'A b' })
  assert.equal(textAt(root, 'b'), 'one < two')
  assert.equal(elementsNamed(root, 'b').length, 2)
  assert.equal(textAt(root, 'c:d'), '<raw>&amp;')
  assert.equal(elementAt(root, 'none', 'b'), undefined)
})

for (const [what, text] of [
  ['nothing', ''],
  ['text', 'OK'],
  ['an element that is not closed', '<a><b></b>'],
  ['elements that cross', '<a><b></a></b>'],
  ['one that was never opened', '</a>'],
  ['two roots', '<a/><b/>'],
  ['text beside the root', '<a/>more'],
  ['a document type', '<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>'],
  ['an unknown entity', '<a>&nbsp;</a>'],
  ['a lone ampersand', '<a>fish & chips</a>'],
  ['an attribute twice', '<a x="1" x="2"/>'],
  ['an attribute without quotes', '<a x=1/>'],
] as const)
  test(`${what} is no answer`, () => assert.equal(parseXml(text), undefined))

test('what is escaped is read as it was', () => {
  const text = `"a" <b> & 'c' &amp; é`
  assert.equal(parseXml(`<a x="${xmlEscaped(text)}">${xmlEscaped(text)}</a>`)?.attributes['x'], text)
})

test('long nonsense takes no long time', () => {
  assert.equal(parseXml(`<a${' x'.repeat(20_000)}`), undefined)
  assert.equal(parseXml('<a>'.repeat(20_000)), undefined)
})
