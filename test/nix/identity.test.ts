// identity.json stays what real Nix says.
import test from 'node:test'
import { expectGolden } from '../support/golden.ts'
import { needs } from '../support/needs.ts'
import { evaluateVectors, vectorsPath } from './identity.ts'

test('the golden vectors are those of real Nix', (t) => {
  if (needs(t, 'nix')) expectGolden(vectorsPath, evaluateVectors())
})
