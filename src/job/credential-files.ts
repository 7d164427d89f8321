// The files of `credentialFiles`, as units name them and as runs by hand read them.

/** `NAME_FILE` → `NAME`, under which systemd hands over the file; a name that two variables would share stays whole. */
export function credentialIds(variables: readonly string[]): Map<string, string> {
  const short = (variable: string) => variable.replace(/_(FILE|PATH)$/, '')
  const isAlone = (variable: string) => variables.filter((other) => short(other) === short(variable)).length === 1
  return new Map(variables.map((variable) => [variable, isAlone(variable) ? short(variable) : variable]))
}

/** As systemd-creds(1) names what it has encrypted, and where systemd itself looks for that. */
export const isEncrypted = (path: string): boolean => path.endsWith('.cred') || path.includes('/credstore.encrypted/')
