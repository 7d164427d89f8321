// The shipped cron file: its line is what crontab(5) wants, and in cron's bare environment it is silent unless something
// changed or a person is needed.
import assert from 'node:assert/strict'
import { chownSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { needs } from '../support/needs.ts'
import { repository } from '../support/process.ts'
import { acme, commandFolder, makeMachine } from './machine.ts'

const lines = readFileSync(join(repository, 'units', 'nixacme.cron'), 'utf8').split('\n')
const isVariable = (line: string): boolean => /^[A-Z]+=/.test(line)
const variables = new Map(lines.filter(isVariable).map((line) => line.split('=', 2) as [string, string]))
const jobs = lines.filter((line) => line.trim() !== '' && !line.startsWith('#') && !isVariable(line))

/** The five time fields, the user, and the rest of the line (crontab(5), for /etc/cron.d). */
function fieldsOf(line: string) {
  const found = /^(\S+) (\S+) (\S+) (\S+) (\S+) (\S+) (.+)$/.exec(line)
  assert.ok(found, `'${line}' is no line of /etc/cron.d`)
  const [, minute = '', hour = '', monthDay = '', month = '', weekDay = '', user = '', command = ''] = found
  return { times: [minute, hour, monthDay, month, weekDay], user, command }
}

/** `*`, a number or a range, each perhaps with a step, in a list; within the field's bounds. */
function isTimeField(field: string, low: number, high: number): boolean {
  return field.split(',').every((part) => {
    const [, from, to, step] = /^(?:\*|(\d+)(?:-(\d+))?)(?:\/(\d+))?$/.exec(part) ?? []
    const inside = [from, to].every((n) => n === undefined || (Number(n) >= low && Number(n) <= high))
    return /^[*\d]/.test(part) && inside && (step === undefined || (Number(step) > 0 && Number(step) <= high))
  })
}

test('the cron file has two lines, for root, that cron can read', () => {
  const commands = [/ && nixacme --quiet renew --all$/, / && nixacme --quiet poll; nixacme --quiet start-due$/]
  assert.equal(jobs.length, commands.length)
  for (const [i, wanted] of commands.entries()) assertLine(jobs[i] ?? '', wanted)
  assert.equal(variables.get('SHELL'), '/bin/sh')
  assert.match(variables.get('PATH') ?? '', /(^|:)\/usr\/local\/bin(:|$)/, "npm's own folder")
})

function assertLine(line: string, wanted: RegExp): void {
  const { times, user, command } = fieldsOf(line)
  const bounds = [
    [0, 59],
    [0, 23],
    [1, 31],
    [1, 12],
    [0, 7],
  ] as const
  for (const [i, [low, high]] of bounds.entries()) assert.ok(isTimeField(times[i] ?? '', low, high), times[i])
  assert.equal(user, 'root')
  assert.match(command, wanted)
  assert.doesNotMatch(command, /(?<!\\)%/, 'cron takes a bare % for a newline')
}

test('cron runs it: words when a certificate is new, none when nothing is due', async (t) => {
  if (!needs(t, 'root')) return
  const machine = await makeMachine(t)
  const { world } = machine
  chownSync(world.webroot, acme.uid, acme.gid)
  const folder = commandFolder(machine)
  const { command } = fieldsOf(jobs[0] ?? '')
  // The random pause is cron's affair; what remains is the command as it stands.
  const line = command.replace(/^sleep "\$\(.*?\)" && /, '')
  assert.equal(line, 'nixacme --quiet renew --all')
  const settings = Object.entries({
    ...world.env,
    PATH: `${folder}:${variables.get('PATH')}`,
    SHELL: '/bin/sh',
    HOME: '/root',
    LOGNAME: 'root',
  })
  const cron = () => machine.run(['env', '-i', ...settings.map(([name, v]) => `${name}=${v}`), '/bin/sh', '-c', line])
  const first = await cron()
  assert.deepEqual([first.status, first.stdout], [0, ''], first.stderr)
  assert.match(
    first.stderr,
    /^nixacme: example\.com: account '.*' is registered.*\nnixacme: example\.com: installed new certificate, .*\n$/,
  )
  const second = await cron()
  assert.deepEqual([second.status, second.stdout, second.stderr], [0, '', ''])
  world.ca.set({ blocked: ['new.example'] })
  world.configure({ certs: { 'example.com': { extraDomainNames: ['www.example.com'] }, 'new.example': {} } })
  const third = await cron()
  assert.deepEqual([third.status, third.stdout], [76, ''])
  assert.match(third.stderr, /^nixacme: error: new\.example: the CA refused/)
})

test('cron renews when the CA wants it, without a unit: a mark leads to a renewal, and to words', async (t) => {
  if (!needs(t, 'root')) return
  const machine = await makeMachine(t)
  const { world } = machine
  chownSync(world.webroot, acme.uid, acme.gid)
  const { command } = fieldsOf(jobs[1] ?? '')
  // As cron hands it to the shell; without this machine's own delay.
  const line = command.replaceAll('\\%', '%').replace(/% 600/, '% 1')
  assert.notEqual(line, command)
  const settings = Object.entries({ ...world.env, PATH: `${commandFolder(machine)}:${variables.get('PATH')}` })
  const sh = (text: string) =>
    machine.run(['env', '-i', ...settings.map(([name, v]) => `${name}=${v}`), '/bin/sh', '-c', text])
  world.ca.set({ renewalInfo: { retryAfter: 60 } })
  assert.equal((await sh('nixacme renew --all')).status, 0)
  const nothing = await sh(line)
  assert.deepEqual([nothing.status, nothing.stdout, nothing.stderr], [0, '', ''])
  const window = { start: '2026-01-01T00:00:00Z', end: '2026-01-02T00:00:00Z' }
  world.ca.set({ renewalInfo: { window, retryAfter: 60 } })
  const path = world.paths().renewalInfo
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), nextPoll: '2026-01-01T00:00:00Z' }))
  const orders = world.ca.count('newOrder')
  const { status, stderr } = await sh(line)
  assert.equal(status, 0, stderr)
  assert.match(stderr, /warning: example\.com: the CA wants it replaced at once/)
  assert.match(stderr, /example\.com: installed new certificate/)
  assert.equal(world.ca.count('newOrder'), orders + 1)
  // Whoever asked and whoever renewed was acme, and nobody else's file is left in the way of either.
  for (const file of [path, dirname(path)]) assert.equal(statSync(file).uid, acme.uid, file)
  assert.deepEqual(
    [statSync(`${world.roots.runtime}-due`).uid, statSync(`${world.roots.runtime}-due`).gid],
    [0, acme.gid],
  )
})
