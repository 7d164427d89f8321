// One-time passwords by time (RFC 6238 with its defaults, which authenticator apps use): six digits of HMAC-SHA-1, a new one
// every 30 seconds.
import { createHmac } from 'node:crypto'

/** Seconds that a password lasts. */
export const totpStep = 30

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/** The bytes of a shared secret in base32 (RFC 4648 section 6), as it is shown at set-up; undefined where it is none. */
export function sharedSecret(text: string): Buffer | undefined {
  const digits = text.replaceAll(/[\s-]/g, '').replace(/=+$/, '').toUpperCase()
  if (!/^[A-Z2-7]+$/.test(digits)) return undefined
  let [bits, held] = [0, 0]
  const bytes: number[] = []
  for (const digit of digits) {
    bits = ((bits << 5) | alphabet.indexOf(digit)) & 0xfff
    held += 5
    if (held < 8) continue
    held -= 8
    bytes.push((bits >> held) & 0xff)
  }
  return Buffer.from(bytes)
}

/** The password of a step, which is the seconds since 1970 divided by `totpStep` (RFC 4226 section 5.3). */
export function totp(secret: Buffer, step: number): string {
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(step))
  const mac = createHmac('sha1', secret).update(counter).digest()
  const offset = (mac.at(-1) ?? 0) & 0xf
  return String((mac.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, '0')
}
