// What the demo plays on: a temporary folder with a config, a state and a webroot, and the test CA as a process of its
// own. The real command runs here as it would in a shell. Closing the stage leaves nothing behind.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { end, finished } from './child.mjs'
import { repository } from './packages.mjs'
import { shown } from './voice.mjs'

const cli = join(repository, 'bin', 'nixacme.js')
/** Milliseconds: no step of the demo takes as long. */
const longest = 60_000

/** Opens a stage; whoever opens it closes it. `signal` ends what runs on it. */
export async function openStage(signal) {
  const dir = mkdtempSync(join(tmpdir(), 'nixacme-demo-'))
  for (const name of ['state', 'webroot']) mkdirSync(join(dir, name), { mode: 0o755 })
  const stage = new Stage(dir, signal)
  try {
    await stage.startCa()
    return stage
  } catch (e) {
    await stage.close()
    throw e
  }
}

class Stage {
  #signal
  #ca

  constructor(dir, signal) {
    this.dir = dir
    this.config = join(dir, 'config.toml')
    this.state = join(dir, 'state')
    this.webroot = join(dir, 'webroot')
    this.#signal = signal
    /** Where nixacme finds things: as an unprivileged user, or root without user acme, would say it. */
    this.places = {
      NIXACME_CONFIG: this.config,
      NIXACME_STATE_DIR: this.state,
      NIXACME_RUNTIME_DIR: join(dir, 'run'),
    }
    const { PATH, HOME, LANG, TERM, NO_COLOR } = process.env
    // A proxy of the surroundings, for one, must not come between the command and a CA on this machine.
    this.env = { PATH, HOME, LANG, TERM, NO_COLOR, ...this.places }
  }

  async startCa() {
    const { dir, webroot } = this
    const args = ['--import', 'tsx', 'test/ca/main.ts', '--with-stdin', '--dir', dir, '--webroot', webroot]
    // With its stdin in our hands the CA ends with us, however we end; the compiler's cache goes with the folder.
    const env = { ...process.env, TMPDIR: dir }
    const child = spawn(process.execPath, args, { cwd: repository, env, stdio: ['pipe', 'pipe', 'inherit'] })
    const ended = once(child, 'close')
    this.#ca = { child, ended }
    const lines = createInterface({ input: child.stdout })
    const early = ended.then(() => Promise.reject(new Error('the test CA did not start')))
    const [line] = await Promise.race([once(lines, 'line', { signal: this.#bounded() }), early])
    this.ca = JSON.parse(line)
  }

  /** Changes settings of the CA (test/ca/settings.ts). */
  setCa(changes) {
    return this.#control('/set', { method: 'POST', body: JSON.stringify(changes) })
  }

  /** How many requests the CA has had so far. */
  async caRequests() {
    const { requests } = await this.#control('/stats')
    return Object.values(requests).reduce((sum, n) => sum + n, 0)
  }

  async #control(path, options = {}) {
    const asked = fetch(this.ca.controlUrl + path, { ...options, signal: this.#bounded() })
    const response = await asked.catch((cause) => {
      throw new Error('the test CA does not answer', { cause })
    })
    if (!response.ok) throw new Error(`the test CA refused '${path}': ${await response.text()}`)
    return response.json()
  }

  writeConfig(text) {
    writeFileSync(this.config, text)
  }

  #bounded() {
    return AbortSignal.any([this.#signal, AbortSignal.timeout(longest)])
  }

  async #run(command, args, stdout) {
    const { env, state: cwd } = this
    const child = spawn(command, args, { cwd, env, stdio: ['ignore', stdout, 1] })
    let text = ''
    child.stdout?.setEncoding('utf8').on('data', (chunk) => {
      text += chunk
    })
    return { status: await finished(child, this.#bounded()), text }
  }

  /** Runs a command in the state's folder, shows it and all that it says as a shell would. Gives its exit status. */
  async show(command, args, line = [command, ...args].join(' ')) {
    shown(line)
    const { status } = await this.#run(command, args, 1)
    return status
  }

  /** Runs the real `nixacme` and shows it; throws unless it exits with 0. */
  async nixacme(...args) {
    const status = await this.show(process.execPath, [cli, ...args], ['nixacme', ...args].join(' '))
    if (status !== 0) throw new Error(`'nixacme ${args.join(' ')}' ended with status ${status}`)
  }

  /** What the real `nixacme … --json` says, without showing it. */
  async json(...args) {
    const { text } = await this.#run(process.execPath, [cli, ...args, '--json'], 'pipe')
    return JSON.parse(text)
  }

  async close() {
    if (this.#ca) {
      end(this.#ca.child)
      await this.#ca.ended
    }
    rmSync(this.dir, { recursive: true, force: true })
  }
}
