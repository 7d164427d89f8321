import assert from 'node:assert/strict'
import test from 'node:test'
import { AcmeProblem, asProblem, type Problem, problemType } from '../../src/acme/problem.ts'

const read = (value: unknown): Problem => {
  const problem = asProblem(value)
  assert.ok(problem)
  return problem
}

for (const [short, status, exit] of [
  ['rejectedIdentifier', 400, 76],
  ['unauthorized', 403, 76],
  ['rateLimited', 429, 75],
  ['rateLimited', 503, 75],
  ['somethingNew', 429, 75],
  ['serverInternal', 500, 69],
  ['accountDoesNotExist', 400, 76],
] as const)
  test(`${short} with status ${status}: exit status ${exit}`, () => {
    const problem = read({ type: problemType(short), detail: 'Because.', status })
    const e = new AcmeProblem(problem, { refused: 'the order' })
    assert.equal(e.exitStatus, exit)
    assert.equal(e.type, problemType(short))
    assert.ok(e.message.endsWith(`the order: ${short}: Because`), e.message)
  })

test('subproblems are kept whole and told one a line', () => {
  const subproblems = ['a', 'b'].map((value) => ({
    type: problemType('caa'),
    detail: `CAA forbids ${value}.`,
    identifier: { type: 'dns', value },
  }))
  const e = new AcmeProblem(read({ type: problemType('compound'), detail: 'two', subproblems }), {
    refused: 'the order',
  })
  assert.deepEqual(e.hints, ['a: caa: CAA forbids a', 'b: caa: CAA forbids b'])
  assert.deepEqual(
    e.subproblems.map(({ name, type }) => [name, type]),
    [
      ['a', problemType('caa')],
      ['b', problemType('caa')],
    ],
  )
})

test('what a CA sends is bounded', () => {
  const nested: { type: string; subproblems: unknown[] } = { type: 'x', subproblems: [] }
  nested.subproblems.push(nested)
  assert.equal(read(nested).subproblems[0]?.subproblems.length, 0)
  const subproblems = Array.from({ length: 500 }, () => ({ detail: 'x'.repeat(10_000) }))
  const e = new AcmeProblem(read({ detail: 'y'.repeat(10_000), subproblems }), { refused: 'the order' })
  assert.ok(e.message.length < 500)
  assert.equal(e.hints.length, 101)
  assert.ok(e.hints.every((hint) => hint.length < 700))
})

test('a problem without a type is about:blank, one without anything is none', () => {
  assert.equal(read({ detail: 'x' }).type, 'about:blank')
  for (const value of [undefined, null, 'x', [], {}, { status: 400 }]) assert.equal(asProblem(value), undefined)
})

test('a type of another URI is told as it is', () => {
  const e = new AcmeProblem(read({ type: 'https://ca.example/err', detail: 'no' }), { refused: 'the order' })
  assert.match(e.message, /: https:\/\/ca.example\/err: no$/)
})
