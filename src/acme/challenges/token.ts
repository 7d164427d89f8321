// Tokens of http-01 (RFC 8555 §8.3), which become names of files and objects, and the path that the CA asks for.

/** base64url, and nothing that could lead out of a folder. */
const alphabet = /^[A-Za-z0-9_-]{1,255}$/

export const isToken = (text: string): boolean => alphabet.test(text)

const folder = '/.well-known/acme-challenge/'

export const challengePath = (token: string): string => `${folder}${token}`

/** The token of a request's path, which must be exactly that of a challenge. */
export function tokenOf(path: string): string | undefined {
  const token = path.startsWith(folder) ? path.slice(folder.length) : ''
  return isToken(token) ? token : undefined
}
