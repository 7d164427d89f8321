// nginx as the web server of a webroot.
import { mkdirSync } from 'node:fs'
import { request } from 'node:http'
import { nginxCommand } from '../support/nginx.ts'
import { type Running, start } from '../support/process.ts'

const server = (webroot: string, port: number): string => `
    listen 127.0.0.1:${port} default_server;
    location /.well-known/acme-challenge/ { root ${webroot}; default_type text/plain; }
    location / { return 404; }
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
  const [file, ...args] = nginxCommand(dir, server(webroot, port))
  const running = start(file, args, { env: { PATH: `${process.env['PATH']}:/usr/sbin:/sbin` }, timeoutMs: 120_000 })
  const end = AbortSignal.timeout(10_000)
  while (!(await answers(port))) {
    if (end.aborted || running.child.exitCode !== null) throw new Error(`nginx does not start: ${running.stderr}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return running
}
