// What lego's last words say about why there is no certificate: the CA's own problem where one is in them, with its type.
import { NixacmeError } from '../../errors.ts'
import { AcmeProblem, asProblem, problemType } from '../problem.ts'
import { type Lego, legoWords } from './program.ts'

/** How a lego ended that brought no certificate. */
export interface LegoEnd {
  readonly lego: Lego
  /** The clause of the process runner: `ended with status 1`. */
  readonly failure: string
  /** The last lines, redacted. */
  readonly lines: readonly string[]
  readonly names: readonly string[]
}

/** `[name] … error: 403 :: urn:ietf:params:acme:error:unauthorized :: detail`, as both series print it. */
const problem =
  /(?:\[([^\]\s]{1,253})\][^[]*?)?error: (\d{3}) :: (?:\w+ :: \S+ :: )?urn:ietf:params:acme:error:(\w+) :: ([^\n]*)/
const shownLines = 8

const network =
  /no such host|connection refused|connection reset|i\/o timeout|context deadline exceeded|Client\.Timeout|network is unreachable|no route to host|\bEOF\b|x509: |tls: |server misbehaving|\b5\d\d ::[A-Z]+ ::|time limit exceeded/i
const wrongSettings =
  /unrecognized DNS provider|credentials information are missing|some information are missing|flag provided but not defined|Incorrect Usage|invalid value|could not determine zone|Unsupported KeyType|address already in use|permission denied|no such file or directory/i

/** The fault that a lego's end is: `later`, `refused` or `unavailable` by the CA's problem type, else by its words. */
export function legoFault({ lego, failure, lines, names }: LegoEnd): NixacmeError {
  const found = lines.map((line) => problem.exec(line)).filter((match) => match !== null)
  const said = lines.slice(-shownLines).map((line) => `lego: ${line}`)
  const [first] = found
  if (first) return refusal(found, names, said)
  const text = lines.join('\n')
  const kind = wrongSettings.test(text) ? 'config' : network.test(text) ? 'unavailable' : 'refused'
  const hints = {
    config: [
      "look at 'dnsProvider', the credentials and the extra flags; 'lego dnshelp -c <provider>' tells its variables",
    ],
    unavailable: [],
    refused: ["the CA or the DNS provider would not; check the provider's credentials"],
  }[kind]
  const last = lines.findLast((line) => line.trim() !== '')
  const why = last === undefined ? '' : `: ${last.trim().slice(0, 300).replace(/\.$/, '')}`
  return new NixacmeError(kind, `${legoWords(lego)} ${failure}${why}`, { hints: [...said, ...hints] })
}

/** The problems of several names are one refusal, as the CA's own subproblems are. */
function refusal(found: readonly RegExpExecArray[], names: readonly string[], said: readonly string[]): NixacmeError {
  const problems = found.map(([, name, status, type = '', detail = '']) => ({
    type: problemType(type),
    detail: detail.replace(/, url: *$/, '').trim(),
    status: Number(status),
    ...(name !== undefined && names.includes(name) ? { identifier: { type: 'dns', value: name } } : {}),
  }))
  const [first] = problems
  const whole = asProblem({ ...first, ...(problems.length > 1 ? { subproblems: problems } : {}) })
  const unproven = problems.flatMap((one) => ('identifier' in one && one.identifier ? [one.identifier.value] : []))
  const order = `lego's order of ${names.map((name) => `'${name}'`).join(', ')}`
  return new AcmeProblem(whole as NonNullable<typeof whole>, { refused: order, unproven, hints: said })
}
