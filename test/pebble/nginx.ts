// A web server that is not ours: nginx, unprivileged, with everything it writes in one folder.
import { mkdirSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { type Running, start } from '../support/process.ts'

/** `user` is for a master that runs as root: its workers stay root, so that they can read temporary folders of mode 0700. */
const config = (dir: string, webroot: string, port: number): string => `
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
    listen 127.0.0.1:${port} default_server;
    location /.well-known/acme-challenge/ { root ${webroot}; default_type text/plain; }
    location / { return 404; }
  }
}
`

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    request({ host: '127.0.0.1', port, path: '/', agent: false, timeout: 1000 }, (response) => {
      response.resume()
      resolve(response.statusCode === 404)
    })
      .on('error', () => resolve(false))
      .end()
  })

/** Starts nginx for `webroot`; rejects when it does not answer within 10 s. Whoever starts it ends it. */
export async function startNginx(dir: string, webroot: string, port: number): Promise<Running> {
  mkdirSync(dir)
  writeFileSync(join(dir, 'nginx.conf'), config(dir, webroot, port))
  const path = `${process.env['PATH']}:/usr/sbin:/sbin`
  const running = start('nginx', ['-p', dir, '-c', join(dir, 'nginx.conf'), '-e', join(dir, 'error.log')], {
    env: { PATH: path },
    timeoutMs: 120_000,
  })
  const end = AbortSignal.timeout(10_000)
  while (!(await answers(port))) {
    if (end.aborted || running.child.exitCode !== null) throw new Error(`nginx does not start: ${running.stderr}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return running
}
