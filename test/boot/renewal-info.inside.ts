// From what a CA says of renewals to a renewed certificate, on a machine with systemd: the timer's poller, which sees no key,
// and the root without network that starts what is due.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import test from 'node:test'
import {
  apply,
  configure,
  installed,
  journal,
  ok,
  reset,
  show,
  stateDir,
  systemctl,
  untilIdle,
  writeUnit,
} from './machine.ts'
import { caDefaults, configureNginx, prepareCa, requests, setRenewalInfo, startCa } from './services.ts'

const cert = 'six-days.example'
const other = 'other.example'
const service = `acme-${cert}.service`
const watchOf = (name: string) => `${stateDir}/.renewal-info/${name}.json`
const watch = watchOf(cert)
const marks = '/run/acme-due'
const explanationURL = 'https://ca.example/incident'

interface Known {
  readonly nextPoll: string
  readonly notAfter: string
  readonly window?: { readonly start: string; readonly end: string }
  readonly failures?: { readonly count: number }
}
const known = (name = cert): Known => JSON.parse(readFileSync(watchOf(name), 'utf8'))

/** The time to ask has come. */
function ageWatch(): void {
  writeFileSync(watch, JSON.stringify({ ...known(), nextPoll: '2026-01-01T00:00:00Z' }))
}

/** One run of the poller, and what follows from it. */
async function poll(): Promise<string> {
  const { stderr } = await systemctl('start', 'acme-poll.service')
  await untilIdle('acme-*')
  return stderr
}

const second = (n: number): string => new Date(Date.now() + n * 1000).toISOString()
const past = { start: second(-7200), end: second(-3600) }
const leaf = (): string => readFileSync(`${stateDir}/${cert}/cert.pem`, 'utf8')

test('when the CA wants it renewed', async (t) => {
  t.after(reset)
  await prepareCa({ validity: 160 * 3600 })
  await startCa()
  configureNginx([])
  await ok('systemctl', 'restart', 'nginx.service')
  configure({ defaults: caDefaults, certs: { [cert]: {}, [other]: {} } })
  await apply()
  await untilIdle('acme-*')

  await t.test('apply has started the timer; the poller has its folders, and each its owner', async () => {
    assert.equal(await show('acme-poll.timer', 'ActiveState'), 'active')
    assert.equal((await ok('systemctl', 'is-enabled', 'acme-poll.timer')).trim(), 'enabled')
    const owner = async (path: string) => (await ok('stat', '-c', '%U:%G %a', path)).trim()
    assert.equal(await owner(`${stateDir}/.renewal-info`), 'acme:acme 750')
    assert.equal(await owner(marks), 'root:acme 770')
    assert.equal(await owner(watch), 'acme:acme 640')
  })

  await t.test(
    'of a certificate of six days its window is known right after issuance; a poll then does nothing',
    async () => {
      const { window, notAfter } = known()
      assert.ok(window && Date.parse(notAfter) - Date.now() < 7 * 86_400_000)
      const before = await requests('GET /draft-ietf-acme-ari-03/renewalInfo/')
      assert.equal(await poll(), '')
      assert.equal(await show('acme-poll.service', 'Result'), 'success')
      assert.equal(await requests('GET /draft-ietf-acme-ari-03/renewalInfo/'), before)
      assert.deepEqual(readdirSync(marks), [])
    },
  )

  await t.test(
    'a window moved into the past: one poll, and the certificate is renewed and says why; no other is',
    async () => {
      const [before, others] = [installed(cert).serial, installed(other).serial]
      await setRenewalInfo(leaf(), { suggestedWindow: past, explanationURL })
      ageWatch()
      assert.equal(await poll(), '')
      assert.notEqual(installed(cert).serial, before)
      assert.equal(installed(other).serial, others)
      assert.match(await journal('acme-poll.service'), /six-days\.example: the CA wants it replaced at once.*revoked/)
      assert.match(await journal('acme-due.service'), /starting 'six-days\.example'/)
      assert.match(await journal(service), /renewing: .*wants it replaced at once.*'https:\/\/ca\.example\/incident'/)
      assert.deepEqual(readdirSync(marks), [])
      // The CA is asked about the new one from now on.
      assert.equal(known().failures, undefined)
    },
  )

  /** Its instant has come, by what is known. */
  const makeDue = (name: string, changes: Partial<Known> = {}) => {
    const window = { start: second(-600), end: second(86_400) }
    writeFileSync(watchOf(name), JSON.stringify({ ...known(name), window, selected: second(-300), ...changes }))
  }

  await t.test('an instant of the window that has come is enough: what is due is known offline', async () => {
    const before = installed(other).serial
    makeDue(other)
    const asked = await requests('GET /draft-ietf-acme-ari-03/renewalInfo/')
    await poll()
    assert.notEqual(installed(other).serial, before)
    // Once, for the new certificate.
    assert.equal(await requests('GET /draft-ietf-acme-ari-03/renewalInfo/'), asked + 1)
  })

  await t.test('the poller sees neither keys nor jobs, and can write nowhere else', async (step) => {
    step.after(async () => {
      rmSync('/run/systemd/system/acme-poll.service.d', { recursive: true })
      await ok('systemctl', 'daemon-reload')
    })
    const look = (what: string) =>
      `ExecStart=-/bin/sh -c 'echo "${what}:" $(${what} 2>/dev/null | tr "\\\\n" " ") end'\n`
    const looks = [
      'id -un',
      `ls -A ${stateDir}`,
      'find /var /run -path */acme/*key*',
      `cat ${stateDir}/${cert}/key.pem`,
      'ls /var/lib/nixacme/jobs',
      `touch ${stateDir}/x && echo written`,
      'touch /etc/x && echo written',
      `touch ${marks}/x && rm ${marks}/x && echo written`,
      'grep CapEff /proc/self/status',
    ]
    await writeUnit('acme-poll.service.d/look.conf', `[Service]\nExecStart=\n${looks.map(look).join('')}`)
    await poll()
    const said = await journal('acme-poll.service', '--lines=40')
    const found = looks.map((what) =>
      said
        .split('\n')
        .find((line) => line.startsWith(`${what}:`))
        ?.slice(what.length + 2),
    )
    assert.deepEqual(found, [
      'acme end',
      '.renewal-info end',
      'end',
      'end',
      'end',
      'end',
      'end',
      'written end',
      'CapEff:\t0000000000000000 end'.replace('\t', ' '),
    ])
  })

  await t.test('marks of others start nothing, and do not make systemd run in circles', async () => {
    const asAcme = (...args: readonly string[]) => ok('runuser', '-u', 'acme', '--', ...args)
    const starts = () => show('ssh.service', 'ExecMainStartTimestampMonotonic')
    const before = await starts()
    await asAcme('touch', `${marks}/unknown.example`, `${marks}/ssh.service`)
    await asAcme('ln', '-s', '/etc/shadow', `${marks}/${other}`)
    await asAcme('mkdir', '-m', '700', '-p', `${marks}/full/inside`)
    await ok('systemctl', 'start', 'acme-due.service')
    const invocation = await show('acme-due.service', 'InvocationID')
    const said = await journal('acme-due.service', `_SYSTEMD_INVOCATION_ID=${invocation}`)
    assert.match(said, /held 4 names of no certificate/)
    assert.match(said, /cannot remove 'full'/)
    assert.doesNotMatch(said, /starting/)
    assert.deepEqual(readdirSync(marks), ['full'])
    assert.equal(await starts(), before)
    await new Promise((resolve) => setTimeout(resolve, 2000))
    assert.equal(await show('acme-due.service', 'InvocationID'), invocation)
    rmSync(`${marks}/full`, { recursive: true })
  })

  await t.test(
    'while no CA can be reached nothing fails but the question, and what is due is started all the same',
    async () => {
      makeDue(other, { nextPoll: '2026-01-01T00:00:00Z' })
      await ok('systemctl', 'stop', 'pebble.service')
      const started = () => show(`acme-${other}.service`, 'ExecMainStartTimestampMonotonic')
      const before = await started()
      assert.equal(await poll(), '')
      assert.notEqual(await started(), before)
      assert.equal(await show('acme-poll.service', 'ExecMainStatus'), '69')
      assert.equal(await show('acme-poll.service', 'Result'), 'success')
      assert.equal(known(other).failures?.count, 1)
      await systemctl('reset-failed')
    },
  )

  await t.test('when there is no certificate any more, neither timer nor poller is left', async () => {
    configure({ certs: {} })
    await apply()
    for (const name of ['acme-poll.timer', 'acme-poll.service', 'acme-due.service'])
      assert.equal(existsSync(`/etc/systemd/system/${name}`), false)
    assert.equal((await systemctl('is-active', 'acme-poll.timer')).stdout.trim(), 'inactive')
    assert.equal(existsSync(watch), false)
  })
})
