// What the test CA sends back, as a value: built by the endpoints, bent by the faults, written by the server.
import type { ProblemDocument } from './problem.ts'

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Buffer
  /** True when the ACME server never saw the request (a proxy's page): no Replay-Nonce, no index link. */
  readonly bare?: boolean
  /**
   * How it is sent when not in full: `drop` closes the connection without a byte, `cut` after half of the body that
   * Content-Length announces, `mute` never answers (the connection stays open until the CA closes), `drip` sends the body
   * byte by byte, ten of them in a second.
   */
  readonly transport?: 'drop' | 'cut' | 'mute' | 'drip'
}

export const jsonAnswer = (status: number, value: unknown, headers: Record<string, string> = {}): Answer => ({
  status,
  headers: { 'Content-Type': 'application/json', ...headers },
  body: JSON.stringify(value),
})

export const problemAnswer = (document: ProblemDocument, headers: Record<string, string> = {}): Answer => ({
  status: document.status,
  headers: { 'Content-Type': 'application/problem+json', ...headers },
  body: JSON.stringify(document),
})
