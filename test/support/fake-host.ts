// A world outside that a test makes: the program runs in the test's own process, under a clock, an environment and ids of
// the test's choice, and its words are kept.
import type { Host, Output } from '../../src/host.ts'

export interface FakeHost extends Host {
  readonly said: { stdout: string; stderr: string }
}

export type HostChanges = Partial<
  Pick<Host, 'env' | 'identity' | 'interrupted' | 'builtAt' | 'stderrIsJournal' | 'status' | 'journal'>
> & {
  now?(): Date
}

/** A host with the ids of this process, no terminal, no journal and an empty environment unless told. */
export function fakeHost(changes: HostChanges = {}): FakeHost {
  const said = { stdout: '', stderr: '' }
  const output = (name: 'stdout' | 'stderr'): Output => ({
    write(text) {
      said[name] += text
    },
    isTerminal: false,
    columns: 80,
  })
  return {
    said,
    env: {},
    now: () => new Date(),
    pid: process.pid,
    identity: { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0, groups: process.getgroups?.() ?? [] },
    stdout: output('stdout'),
    stderr: output('stderr'),
    stderrIsJournal: false,
    status: () => undefined,
    journal: () => false,
    interrupted: new AbortController().signal,
    self: [],
    version: '0.0.0',
    builtAt: new Date(0),
    readAll: () => '',
    end() {
      throw new Error('a test goes on')
    },
    become() {
      throw new Error('a test does not become somebody else')
    },
    ...changes,
  }
}
