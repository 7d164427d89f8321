// The types of find.mjs, which itself must run before any package is installed.
export type Part =
  | 'apache'
  | 'bind9'
  | 'busybox'
  | 'certbot'
  | 'curl'
  | 'dbus'
  | 'debian-testing'
  | 'hyperfine'
  | 'ip'
  | 'knot'
  | 'lego'
  | 'mandoc'
  | 'newer-lego'
  | 'nginx'
  | 'nix'
  | 'openssl'
  | 'pdns'
  | 'pebble'
  | 'runuser'
  | 'sqlite3'
  | 'strace'
  | 'systemd'
export const parts: Record<Part, { readonly command?: string; readonly file?: string; readonly install: string }>
export const folders: readonly string[]
export function isThere(part: Part): boolean
