// What a string in the config must look like: servers, addresses, paths, times. Names have a file of their own.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as syntax from '../../src/config/syntax.ts'
import { type SyntaxTables, testSyntax } from './support.ts'

const tables: SyntaxTables = {
  profile: [
    syntax.profile,
    ['shortlived', 'tls-server_2', 'größer', '6d'],
    [
      ['', /'' is not a profile's name/],
      ['a b', /'a b' is not/],
      ['a\n', /is not a profile's name/],
      ['a\u0007', /is not a profile's name/],
    ],
  ],
  'e-mail address': [
    syntax.email,
    ['hostmaster@example.com', 'a.b+c@x', "o'neil_1-2@example.co.uk", 'info@bücher.example'],
    [
      ['example.com', /something like/],
      ['@example.com', /something like/],
      ['a@', /not a DNS name/],
      ['a b@example.com', /before the '@'/],
      ['a@b@example.com', /before the '@'/],
      ['a..b@example.com', /before the '@'/],
      ['a?subject=x@example.com', /before the '@'/],
      ['a,b@example.com', /before the '@'/],
      ['.a@example.com', /name an account's folder/],
      ['../a@example.com', /name an account's folder/],
      ['a/b@example.com', /name an account's folder/],
      ['a@example.com/..', /name an account's folder/],
      ['a\n@example.com', /before the '@'/],
      ['a@*.example.com', /not a DNS name/],
      [`${'a'.repeat(250)}@example.com`, /too long/],
    ],
  ],
  server: [
    syntax.server,
    [
      'https://acme.test/dir',
      'https://acme.test:14000/dir?x=1',
      'http://localhost:14000/dir',
      'http://127.0.0.1/dir',
      'http://127.9.9.9/dir',
      'http://[::1]:1/dir',
    ],
    [
      ['acme.test/dir', /not a URL/],
      ['http://acme.test/dir', /not an https URL/],
      ['http://127.0.0.1.acme.test/dir', /not an https URL/],
      ['ftp://acme.test', /not an https URL/],
      ['file:///etc/passwd', /not an https URL/],
      ['https://', /not a URL/],
      [' https://acme.test', /not a URL/],
      ['https://acme.test/a b', /not a URL/],
      ['https://acme.test/#x', /fragment/],
      ['https://user:hunter2@acme.test/', /password/],
    ],
  ],
  path: [
    syntax.absolutePath,
    ['/', '/srv/www', '/srv/a b', '/srv/..a/...', '/srv/.'],
    [
      ['/srv/../www', /goes up/],
      ['/srv/..', /goes up/],
      ['srv', /start with '\/'/],
      ['./x', /start with '\/'/],
      ['~/x', /start with '\/'/],
      ['/a\nb', /control/],
      ['/a\u0000b', /control/],
    ],
  ],
  'path of a secret': [
    syntax.secretPath,
    ['/etc/secret', '/etc/a b%c"d\'e$f:g'],
    [
      ['secret', /start with '\/'/],
      ['/etc/../secret', /goes up/],
      ['/etc/*', /cannot be told to systemd/],
      ['/etc/[a]', /cannot be told to systemd/],
      ['/etc/a?', /cannot be told to systemd/],
      ['/etc/a\\', /cannot be told to systemd/],
      ['/etc/a ', /cannot be told to systemd/],
    ],
  ],
  'calendar expression': [
    syntax.calendar,
    ['daily', 'Mon..Fri 04:00', '*-*-* 00/6:00:00', 'Sat *-*~07/1', '2027-01-01 00:00 Europe/Berlin', '*:0/15'],
    [
      ['', /is not a calendar expression/],
      [' ', /is not a calendar expression/],
      ['daily\nUser=root', /is not a calendar expression/],
      ['daily\n', /is not a calendar expression/],
      ['%h', /is not a calendar expression/],
      ['täglich', /is not a calendar expression/],
    ],
  ],
  'time span': [
    syntax.timeSpan,
    ['24h', '1h 30min', '1h30m', ' 90 ', '1.5 hours', '0', '5 6', '365d', '1M 2w 3d', '10µs 5ms'],
    [
      ['', /is not a time span/],
      [' ', /is not a time span/],
      ['h', /is not a time span/],
      ['-1h', /is not a time span/],
      ['1.5.5h', /is not a time span/],
      ['1 fortnight', /is not a time span/],
      ['soon', /is not a time span/],
      ['1h\nUser=root', /is not a time span/],
      ['1h\n2h', /is not a time span/],
      ['1h\n', /is not a time span/],
      ['1toString', /is not a time span/],
      ['366d', /longer than a year/],
      [`${'9'.repeat(400)}s`, /longer than a year/],
      // Told at once, however many ways there would be to part the digits.
      [`${'1'.repeat(10_000)}!`, /is not a time span/],
    ],
  ],
  group: [
    syntax.group,
    ['acme', 'www-data', '_nginx', 'a.b', 'machine$', 'G'.repeat(31)],
    [
      ['', /group's name/],
      ['a b', /group's name/],
      ['0', /group's name/],
      ['-x', /group's name/],
      ['a:b', /group's name/],
      ['g'.repeat(33), /group's name/],
    ],
  ],
  'unit name': [
    syntax.unitName,
    ['nginx.service', 'nginx', 'a@b.service', 'dev-x\\x2dy.mount'],
    [
      ['', /unit's name/],
      ['--no-block', /unit's name/],
      ['a b', /unit's name/],
      ['*.service', /unit's name/],
      ['a/b', /unit's name/],
      ['x;reboot', /unit's name/],
    ],
  ],
  variable: [
    syntax.fileVariable,
    ['X_FILE', 'X_PATH'],
    [
      ['X', /_FILE or _PATH/],
      ['X_FILES', /_FILE or _PATH/],
      ['x_file', /_FILE or _PATH/],
      ['_FILE', /_FILE or _PATH/],
      ['1_FILE', /_FILE or _PATH/],
      ['X Y_FILE', /_FILE or _PATH/],
      ['X\nUser=root\n_FILE', /_FILE or _PATH/],
    ],
  ],
}

testSyntax(tables)

test('a password in a URL is not repeated', () =>
  assert.doesNotMatch(syntax.server('https://user:hunter2@acme.test/') ?? '', /hunter2|user:/))

for (const [value, seconds] of [
  [0, 0],
  [90, 90],
  ['90', 90],
  ['90s', 90],
  ['15m', 900],
  ['2h', 7200],
  ['1d', 86_400],
  ['365d', 31_536_000],
  ['366d', undefined],
  [-1, undefined],
  [1.5, undefined],
  [Number.NaN, undefined],
  [Number.POSITIVE_INFINITY, undefined],
  ['1w', undefined],
  ['1h30m', undefined],
  ['', undefined],
  [' 1s', undefined],
] as const)
  test(`duration ${JSON.stringify(value)} is ${seconds} s`, () => assert.equal(syntax.durationSeconds(value), seconds))
