// A second CA beside that of a test's world, with a config that names both.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type CaOptions, startCa } from '../ca/ca.ts'
import { serveWebroot } from '../ca/webroot.ts'
import { cert, type World } from './world.ts'

/** Has the certificate come from the world's own CA or else from a second one, which is given. */
export async function withSecondCa(t: { after(action: () => unknown): void }, world: World, options: CaOptions = {}) {
  const web = await serveWebroot(world.webroot)
  const second = await startCa({ httpPort: web.port, ...options })
  t.after(() => Promise.all([second.close(), web.close()]))
  const roots = [world.ca, second].map(({ rootPem }, i) => {
    const path = join(world.dir, `root-${i}.pem`)
    writeFileSync(path, rootPem)
    return path
  })
  const servers = [world.ca.directoryUrl, second.directoryUrl]
  world.configure({ certs: { [cert]: { servers, caCertificates: roots } } })
  return second
}
