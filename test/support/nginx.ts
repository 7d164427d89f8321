// A web server that is not ours: nginx, in the foreground, with everything it writes in one folder.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** `user` is for a master that runs as root: its workers stay root, so that they can read temporary folders of mode 0700. */
const config = (dir: string, server: string): string => `
daemon off;
pid ${dir}/nginx.pid;
error_log ${dir}/error.log;
${process.geteuid?.() === 0 ? 'user root;' : ''}
worker_processes 1;
events { worker_connections 64; }
http {
  access_log off;
  client_body_temp_path ${dir}/body;
  proxy_temp_path ${dir}/proxy;
  fastcgi_temp_path ${dir}/fastcgi;
  uwsgi_temp_path ${dir}/uwsgi;
  scgi_temp_path ${dir}/scgi;
  server {
    ${server.trim()}
  }
}
`

/** Writes nginx's config into `dir`, with this one server. Gives the command that starts it, to be found on /usr/sbin. */
export function nginxCommand(dir: string, server: string): readonly [file: string, ...args: readonly string[]] {
  const file = join(dir, 'nginx.conf')
  writeFileSync(file, config(dir, server))
  return ['nginx', '-p', dir, '-c', file, '-e', join(dir, 'error.log')]
}
