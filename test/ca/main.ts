// The test CA as a process of its own: `node --import tsx test/ca/main.ts [options]`.
//   --dir DIR        where root.pem and issuer-root.pem go (default: a temporary folder, removed at the end)
//   --port N         of the ACME server (default: any)
//   --http-port N    where http-01 is looked up (default 80)
//   --webroot DIR    serve this webroot too, and look http-01 up there
//   --set JSON       settings, as for POST /set of control.ts
//   --with-stdin     end when stdin ends, so that the CA does not outlive who started it
// Prints one line of JSON {directoryUrl, rootPem, issuerRootPem, httpPort, controlUrl} (PEMs as paths) when it is
// ready; ends at SIGTERM and SIGINT.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startCa } from './ca.ts'
import { serveControl } from './control.ts'
import { serveWebroot } from './webroot.ts'

const { values } = parseArgs({
  options: {
    dir: { type: 'string' },
    port: { type: 'string', default: '0' },
    'http-port': { type: 'string', default: '80' },
    webroot: { type: 'string' },
    set: { type: 'string', default: '{}' },
    'with-stdin': { type: 'boolean', default: false },
  },
})

const web = values.webroot === undefined ? undefined : await serveWebroot(values.webroot)
const httpPort = web?.port ?? Number(values['http-port'])
const ca = await startCa({ ...JSON.parse(values.set), port: Number(values.port), httpPort })
const control = await serveControl(ca)

const dir = values.dir ?? mkdtempSync(join(tmpdir(), 'nixacme-test-ca-'))
mkdirSync(dir, { recursive: true })
const rootPem = join(dir, 'root.pem')
const issuerRootPem = join(dir, 'issuer-root.pem')
writeFileSync(rootPem, ca.rootPem)
writeFileSync(issuerRootPem, ca.issuerRootPem)

const { directoryUrl } = ca
const controlUrl = `http://127.0.0.1:${control.port}`
process.stdout.write(`${JSON.stringify({ directoryUrl, rootPem, issuerRootPem, httpPort, controlUrl })}\n`)

async function end(): Promise<void> {
  await Promise.all([ca.close(), control.close(), web?.close()])
  if (values.dir === undefined) rmSync(dir, { recursive: true, force: true })
  process.exit(0)
}
process.once('SIGTERM', end).once('SIGINT', end)
if (values['with-stdin']) process.stdin.once('end', end).resume()
