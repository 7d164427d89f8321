// The web server of the demo and of small tests: what lies in a webroot's .well-known/acme-challenge/, nothing else.
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { listen } from './server.ts'

const challengePath = /^\/\.well-known\/acme-challenge\/([A-Za-z0-9_-]+)$/

/** Serves `webroot` on 127.0.0.1 (`port` 0: any) for every name. */
export function serveWebroot(webroot: string, port = 0): Promise<{ port: number; close: () => Promise<void> }> {
  const server = createServer((request, response) => {
    const token = challengePath.exec(request.url ?? '')?.[1]
    const file = token === undefined ? undefined : join(webroot, '.well-known', 'acme-challenge', token)
    const content = file === undefined ? Promise.reject(new Error('no challenge')) : readFile(file)
    content.then(
      (bytes) => response.writeHead(200, { 'Content-Type': 'text/plain' }).end(bytes),
      () => response.writeHead(404).end(),
    )
  })
  return listen(server, port)
}
