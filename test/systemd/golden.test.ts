// All that the system is given, for each config of the matrix, to the byte.
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { expectGolden } from '../support/golden.ts'
import { asText, cases, filesOf } from './matrix.ts'

const folder = fileURLToPath(new URL('golden/', import.meta.url))

for (const one of cases)
  test(one.name, () => expectGolden(`${folder}${one.name.replaceAll(' ', '-')}.txt`, asText(filesOf(one))))
