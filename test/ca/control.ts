// The test CA in another process is steered from here: plain HTTP on loopback, JSON in and out.
//   POST /set     settings to change (settings.ts)
//   POST /fault   {"kind": "newOrder", "fault": {"do": "problem", …}} (faults.ts)
//   POST /reset   empty journal, no faults, first settings
//   POST /forget  no accounts, orders, certificates any more
//   GET /stats    what there is, and the counts by kind
//   GET /requests the journal
import { createServer } from 'node:http'
import type { Ca } from './ca.ts'
import type { Fault } from './faults.ts'
import { type RequestKind, requestKinds } from './routes.ts'
import { type Listening, listen, readBody } from './server.ts'
import type { SettingsChanges } from './settings.ts'

type Command = (ca: Ca, body: Record<string, unknown>) => unknown

const commands: Readonly<Record<string, Command>> = {
  'POST /set': (ca, body) => ca.set(body as SettingsChanges),
  'POST /fault': (ca, { kind, fault }) => {
    if (kind !== '*' && !requestKinds.includes(kind as RequestKind)) throw new TypeError(`no kind '${kind}'`)
    ca.fault(kind as RequestKind | '*', (fault ?? {}) as Fault)
  },
  'POST /reset': (ca) => ca.reset(),
  'POST /forget': (ca) => ca.forget(),
  'GET /stats': (ca) => ca.stats,
  'GET /requests': (ca) => ca.requests,
}

/** Answers 200 with JSON (`{}` where there is nothing to tell), 400 with the reason in `error`. */
export function serveControl(ca: Ca, port = 0): Promise<Listening> {
  const server = createServer(async (request, response) => {
    const reply = (status: number, value: unknown) =>
      response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(value))
    try {
      const command = commands[`${request.method} ${request.url}`]
      if (command === undefined) throw new TypeError(`no command '${request.method} ${request.url}'`)
      const body: unknown = JSON.parse((await readBody(request)) || '{}')
      reply(200, command(ca, body as Record<string, unknown>) ?? {})
    } catch (e) {
      reply(400, { error: e instanceof Error ? e.message : String(e) })
    }
  })
  return listen(server, port)
}
