// Credentials for Amazon's services, and those that speak like them, by the variables of its own programs
// (https://docs.aws.amazon.com/sdkref/latest/guide/creds-config-files.html).
import { NixacmeError } from '../errors.ts'
import { readTextIfThere } from '../fs.ts'
import type { AwsCredentials } from './aws-signature.ts'

const pair = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'] as const

type Variable = (name: string) => string | undefined

/**
 * AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN), else the profile AWS_PROFILE (`default`) of the file
 * AWS_SHARED_CREDENTIALS_FILE. Undefined where neither is set; throws `config` (78) for half of a pair, or a profile that is
 * not there.
 */
export function awsCredentials(variable: Variable): AwsCredentials | undefined {
  const accessKeyId = variable(pair[0]) || undefined
  const secretAccessKey = variable(pair[1]) || undefined
  if (accessKeyId && secretAccessKey)
    return { accessKeyId, secretAccessKey, sessionToken: variable('AWS_SESSION_TOKEN') || undefined }
  if (accessKeyId || secretAccessKey) {
    const [there, not] = accessKeyId ? pair : [pair[1], pair[0]]
    throw new NixacmeError('config', `the variable '${there}' is set, '${not}' is not: they go together`)
  }
  const file = variable('AWS_SHARED_CREDENTIALS_FILE')
  return file ? ofFile(file, variable('AWS_PROFILE') || 'default') : undefined
}

function ofFile(path: string, profile: string): AwsCredentials {
  const settings = sectionOf(readTextIfThere(path) ?? '', profile)
  const accessKeyId = settings.get('aws_access_key_id')
  const secretAccessKey = settings.get('aws_secret_access_key')
  if (accessKeyId && secretAccessKey)
    return { accessKeyId, secretAccessKey, sessionToken: settings.get('aws_session_token') || undefined }
  throw new NixacmeError('config', `'${path}' has no key pair in its profile '${profile}'`, {
    hints: [
      `write 'aws_access_key_id' and 'aws_secret_access_key' below '[${profile}]', or name another profile in 'AWS_PROFILE'`,
    ],
  })
}

/** The settings of one section of an INI file. */
function sectionOf(text: string, name: string): ReadonlyMap<string, string> {
  const settings = new Map<string, string>()
  let isHere = false
  for (const line of text.split(/\r?\n/)) {
    const [, section] = /^\s*\[\s*(.*?)\s*\]/.exec(line) ?? []
    const [, key, value = ''] = /^\s*([^#;=\s]+)\s*=\s*(.*?)\s*$/.exec(line) ?? []
    if (section !== undefined) isHere = section === name
    else if (isHere && key !== undefined) settings.set(key, value)
  }
  return settings
}
