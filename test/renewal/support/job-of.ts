// The job of the one certificate that the tests of self-signed ones have, for any names.
import type { Job } from '../../../src/job/job.ts'
import { makeJob } from './lock-job.ts'

export const cert = 'x.test'

export const jobOf = (names: readonly string[]): Job => ({ ...makeJob({ name: cert }), names })
