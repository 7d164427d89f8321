// User and folders, made by the real systemd-sysusers and systemd-tmpfiles below a folder that stands for `/`.

import assert from 'node:assert/strict'
import { chmodSync, chownSync, existsSync, lstatSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { CertConfig, Config } from '../../src/config/config.ts'
import { webrootsOf } from '../../src/config/config.ts'
import { certConfig, config, shownIn } from '../job/support.ts'
import { needs } from '../support/needs.ts'
import { run, temporaryDir } from '../support/process.ts'
import { cases, filesOf, settings } from './matrix.ts'

const acme = 991
const web = 33

/** A root folder with the users root and www-data, and acme where `withAcme`. */
function makeRoot(t: TestContext, withAcme = true): string {
  const root = temporaryDir(t)
  chmodSync(root, 0o755)
  mkdirSync(join(root, 'etc'))
  const user = withAcme ? `acme:x:${acme}:${acme}::/:/bin/sh\n` : ''
  const group = withAcme ? `acme:x:${acme}:\n` : ''
  writeFileSync(join(root, 'etc/passwd'), `root:x:0:0::/:/bin/sh\nwww-data:x:${web}:${web}::/:/bin/sh\n${user}`)
  writeFileSync(join(root, 'etc/group'), `root:x:0:\nwww-data:x:${web}:\n${group}`)
  return root
}

function make(root: string, path: string, mode: number, uid: number): void {
  mkdirSync(join(root, path), { recursive: true })
  chownSync(join(root, path), uid, uid)
  chmodSync(join(root, path), mode)
}

/** Mode and owner of a path in the root, or nothing. */
function look(root: string, path: string): string | undefined {
  const stat = lstatSync(join(root, path), { throwIfNoEntry: false })
  return stat && `${(stat.mode & 0o7777).toString(8)} ${stat.uid}:${stat.gid}`
}

/** Gives the text to the program as a file; it must have nothing to say. */
async function give(root: string, program: readonly string[], text: string): Promise<void> {
  const file = join(root, 'given.conf')
  writeFileSync(file, text)
  const [command = '', ...args] = program
  const { status, stdout, stderr } = await run(command, [...args, `--root=${root}`, file])
  assert.deepEqual([status, stdout + stderr.replace(/^Creating (user|group) .*\n/gm, '')], [0, ''])
}

const textOf = (of: Config, folder: string) =>
  filesOf({ config: of, settings }).find(({ path }) => path.startsWith(folder))?.text ?? ''
const tmpfiles = (of: Config) => textOf(of, '/etc/tmpfiles.d/')

const served = (webroot: string, change: Partial<CertConfig> = {}): Config =>
  config([certConfig({ name: 'x.test', challenges: shownIn(webroot), ...change })])

const createFolders = (root: string, of: Config) => give(root, ['systemd-tmpfiles', '--create'], tmpfiles(of))

test('sysusers: the user acme, in a group of its own, without a shell', async (t) => {
  if (!needs(t, 'systemd', 'root')) return
  const root = makeRoot(t, false)
  const text = textOf(served('/srv/www'), '/etc/sysusers.d/')
  await give(root, ['systemd-sysusers'], text)
  const passwd = readFileSync(join(root, 'etc/passwd'), 'utf8')
  const group = readFileSync(join(root, 'etc/group'), 'utf8')
  const [, uid, gid] =
    /^acme:[^:]*:(\d+):(\d+):ACME certificates:\/var\/lib\/acme:\/usr\/sbin\/nologin$/m.exec(passwd) ?? []
  assert.ok(uid !== undefined && Number(uid) > 0 && Number(uid) < 1000, passwd)
  assert.match(group, new RegExp(`^acme:[^:]*:${gid}:acme$`, 'm'))
  await give(root, ['systemd-sysusers'], text)
  assert.equal(readFileSync(join(root, 'etc/passwd'), 'utf8'), passwd)
})

test('tmpfiles: state, locks and webroots, with owners and modes of contract 1.6 and 1.13', async (t) => {
  if (!needs(t, 'systemd', 'root')) return
  const root = makeRoot(t)
  await createFolders(root, served('/var/lib/acme/acme-challenge'))
  const own = `755 ${acme}:${acme}`
  assert.deepEqual(
    ['', '/acme-challenge', '/acme-challenge/.well-known', '/acme-challenge/.well-known/acme-challenge'].map((path) =>
      look(root, `/var/lib/acme${path}`),
    ),
    ['755 0:0', own, own, own],
  )
  assert.deepEqual(
    ['/.lego', '/.lego/accounts'].map((path) => look(root, `/var/lib/acme${path}`)),
    ['755 0:0', '755 0:0'],
  )
  assert.equal(look(root, '/run/acme'), `700 ${acme}:${acme}`)
})

test('tmpfiles: a state of an older version, which is acme’s: what certificates share becomes root’s, no more', async (t) => {
  if (!needs(t, 'systemd', 'root')) return
  const root = makeRoot(t)
  for (const path of ['', '/.lego', '/.lego/accounts', '/.lego/accounts/hash', '/x.test'])
    make(root, `/var/lib/acme${path}`, 0o750, acme)
  await createFolders(root, served('/srv/www'))
  assert.deepEqual(
    ['', '/.lego', '/.lego/accounts', '/.lego/accounts/hash', '/x.test'].map((path) =>
      look(root, `/var/lib/acme${path}`),
    ),
    ['755 0:0', '755 0:0', '755 0:0', `750 ${acme}:${acme}`, `750 ${acme}:${acme}`],
  )
})

test('tmpfiles: with useRoot all of it is root’s', async (t) => {
  if (!needs(t, 'systemd', 'root')) return
  const root = makeRoot(t, false)
  await createFolders(root, { ...served('/srv/www'), useRoot: true })
  assert.deepEqual(
    ['/var/lib/acme', '/run/acme', '/srv/www/.well-known/acme-challenge'].map((path) => look(root, path)),
    ['755 0:0', '700 0:0', '755 0:0'],
  )
})

test('tmpfiles: jobs and lock files that are there get owner and mode', async (t) => {
  if (!needs(t, 'systemd', 'root')) return
  const root = makeRoot(t)
  make(root, '/var/lib/nixacme', 0o755, 0)
  make(root, '/var/lib/nixacme/jobs', 0o700, 0)
  make(root, '/run/acme', 0o755, 0)
  for (const file of ['/var/lib/nixacme/jobs/x.test.json', '/run/acme/1.lock']) writeFileSync(join(root, file), '')
  await createFolders(root, served('/srv/www'))
  assert.deepEqual(
    ['/var/lib/nixacme', '/var/lib/nixacme/jobs', '/var/lib/nixacme/jobs/x.test.json', '/run/acme'].map((path) =>
      look(root, path),
    ),
    ['755 0:0', `750 0:${acme}`, `640 0:${acme}`, `700 ${acme}:${acme}`],
  )
  assert.match(look(root, '/run/acme/1.lock') ?? '', new RegExp(`^[0-7]00 ${acme}:`))
})

const site = '/srv/site'
const challenges = `${site}/.well-known/acme-challenge`

/** A webroot as it may be found, and what it is afterwards: webroot, .well-known, the folder of the challenges. */
const webroots: readonly (readonly [string, (root: string) => void, readonly (string | undefined)[]])[] = [
  ['that is missing', () => {}, ['755 0:0', `755 ${acme}:${acme}`, `755 ${acme}:${acme}`]],
  ['of root', (root) => make(root, site, 0o751, 0), ['751 0:0', `755 ${acme}:${acme}`, `755 ${acme}:${acme}`]],
  [
    'of root with a .well-known of root',
    (root) => {
      make(root, site, 0o755, 0)
      make(root, `${site}/.well-known`, 0o711, 0)
    },
    ['755 0:0', '711 0:0', `755 ${acme}:${acme}`],
  ],
  // The renewal makes the last folder itself, as user acme.
  [
    'of the web server',
    (root) => make(root, site, 0o2751, web),
    [`2751 ${web}:${web}`, `755 ${acme}:${acme}`, undefined],
  ],
  [
    'of the web server with a .well-known of its own',
    (root) => {
      make(root, site, 0o2755, web)
      make(root, `${site}/.well-known`, 0o750, web)
    },
    [`2755 ${web}:${web}`, `750 ${web}:${web}`, `755 ${acme}:${acme}`],
  ],
  [
    'whose folder of challenges is there already',
    (root) => {
      make(root, site, 0o755, web)
      make(root, `${site}/.well-known`, 0o755, web)
      make(root, challenges, 0o2775, web)
    },
    [`2755 ${web}:${web}`.replace('2755', '755'), `755 ${web}:${web}`, `2775 ${web}:${web}`],
  ],
]

for (const [what, prepare, wanted] of webroots)
  test(`tmpfiles: a webroot ${what} keeps owner and mode of what is there`, async (t) => {
    if (!needs(t, 'systemd', 'root')) return
    const root = makeRoot(t)
    prepare(root)
    const folders = () => [site, `${site}/.well-known`, challenges].map((path) => look(root, path))
    for (let time = 0; time < 2; time++) {
      await createFolders(root, served(site))
      assert.deepEqual(folders(), wanted)
    }
  })

test('tmpfiles: a webroot with spaces, quotes and percent signs is the folder that was meant', async (t) => {
  if (!needs(t, 'systemd', 'root')) return
  const root = makeRoot(t)
  const { config: odd } = cases.find(({ name }) => name === 'odd names') ?? assert.fail()
  await createFolders(root, odd)
  const made = odd.certs.flatMap(({ challenges }) => webrootsOf(challenges))
  assert.ok(made.some((path) => /["'%$\\ ]/.test(path)))
  for (const path of made) assert.ok(existsSync(join(root, path, '.well-known/acme-challenge')), path)
})

test('tmpfiles: each line has a legal mode, and no folder of a user is removed or emptied', () => {
  for (const one of cases)
    for (const line of tmpfiles(one.config)
      .split('\n')
      .filter((some) => some !== '' && !some.startsWith('#')))
      assert.match(line, /^(d-?|z|Z) /, line)
})
