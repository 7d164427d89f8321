// The language in which a CA may word its refusals (RFC 8555 §6.1): English, unless the machine speaks another.

type Env = Readonly<Record<string, string | undefined>>

/** An Accept-Language value (RFC 9110 §12.5.4) of the locale's variables, in their order of precedence (locale(7)). */
export function acceptLanguage(env: Env): string {
  const locale = env['LC_ALL'] || env['LC_MESSAGES'] || env['LANG'] || ''
  const [, language = 'en', territory] = /^([a-z]{2,3})(?:_([A-Z]{2}))?(?:[.@]|$)/.exec(locale) ?? []
  if (language === 'en') return 'en'
  return territory === undefined ? `${language}, en;q=0.5` : `${language}-${territory}, ${language};q=0.9, en;q=0.5`
}
