// Jobs as `compile` makes them, for tests of the rooms below the config.
import type { CertConfig, Config } from '../../../src/config/config.ts'
import { compile } from '../../../src/job/compile.ts'
import type { Job } from '../../../src/job/job.ts'
import { certConfig } from '../../job/support.ts'

export type JobOptions = Partial<CertConfig> &
  Partial<Pick<Config, 'maxConcurrentRenewals' | 'lockPolicy' | 'lockTimeout'>>

/** The job of one certificate. `lock` replaces what follows from being alone: slot 1 of 5, waiting as long as it takes. */
export function makeJob(options: JobOptions = {}, lock: Partial<Job['lock']> = {}): Job {
  const name = options.name ?? 'example.com'
  const config: Config = {
    sources: [],
    maxConcurrentRenewals: 5,
    lockPolicy: 'home',
    lockTimeout: null,
    useRoot: true,
    preliminarySelfsigned: true,
    warnings: [],
    ...options,
    certs: [certConfig({ validMinDays: 30, ...options, name })],
  }
  const [job] = compile(config)
  if (!job) throw new Error('a config with one certificate gives one job')
  return { ...job, lock: { ...job.lock, ...lock } }
}
