// The little XML that providers answer with: elements, attributes, text. What is not well formed, or wants more than that (a
// document type, entities of its own), is no answer. Own code, since the parsers on npm do more and bring more.
const token =
  /<\?[\s\S]*?\?>|<!--[\s\S]*?-->|<!\[CDATA\[([\s\S]*?)\]\]>|<\/([\w:.-]+)\s*>|<([\w:.-]+)((?:\s+[\w:.-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>|([^<]+)/y
const attribute = /([\w:.-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g

export interface XmlElement {
  readonly name: string
  readonly attributes: Readonly<Record<string, string>>
  readonly children: readonly XmlElement[]
  /** All of its own text, without that of its children. */
  readonly text: string
}

interface Open extends XmlElement {
  readonly children: Open[]
  text: string
}

class NotXml extends Error {}

/** The outermost element; undefined for what is no such XML. */
export function parseXml(text: string): XmlElement | undefined {
  try {
    return outermost(text.replace(/^\uFEFF/, ''))
  } catch (e) {
    if (e instanceof NotXml) return undefined
    throw e
  }
}

/** The first element that this path of names leads to. */
export const elementAt = (element: XmlElement | undefined, ...path: readonly string[]): XmlElement | undefined =>
  path.reduce<XmlElement | undefined>((at, name) => at?.children.find((child) => child.name === name), element)

/** Its text; undefined where there is no such element. */
export const textAt = (element: XmlElement | undefined, ...path: readonly string[]): string | undefined =>
  elementAt(element, ...path)?.text.trim()

/** All children with this name. */
export const elementsNamed = (element: XmlElement | undefined, name: string): readonly XmlElement[] =>
  element?.children.filter((child) => child.name === name) ?? []

/** Text for the inside of an element or an attribute. */
export const xmlEscaped = (text: string): string =>
  text.replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)

function outermost(text: string): XmlElement {
  const root: Open = { name: '', attributes: {}, children: [], text: '' }
  const open = [root]
  token.lastIndex = 0
  while (token.lastIndex < text.length) {
    const [found, verbatim, closing, opening, attributes = '', isEmpty, plain] = token.exec(text) ?? []
    const here = open.at(-1)
    if (found === undefined || here === undefined) throw new NotXml()
    if (opening !== undefined) {
      const element = { name: opening, attributes: attributesOf(attributes), children: [], text: '' }
      here.children.push(element)
      if (isEmpty === '') open.push(element)
    } else if (closing !== undefined) {
      if (here === root || here.name !== closing) throw new NotXml()
      open.pop()
    } else here.text += verbatim ?? decoded(plain ?? '')
  }
  const [element] = root.children
  if (!element || root.children.length > 1 || open.length > 1 || root.text.trim() !== '') throw new NotXml()
  return element
}

function attributesOf(text: string): Record<string, string> {
  const all: Record<string, string> = {}
  for (const [, name = '', double, single = ''] of text.matchAll(attribute)) {
    if (Object.hasOwn(all, name)) throw new NotXml()
    // XML 1.0, section 3.3.3: line ends and tabs are blanks there.
    all[name] = decoded((double ?? single).replaceAll(/[\t\r\n]/g, ' '))
  }
  return all
}

const entities = new Map([
  ['amp', '&'],
  ['lt', '<'],
  ['gt', '>'],
  ['quot', '"'],
  ['apos', "'"],
])

const decoded = (text: string): string =>
  text.replaceAll(/&([^;&\s]*);?/g, (whole, name: string) => {
    const [, hex, decimal] = /^#(?:x([0-9a-f]{1,6})|([0-9]{1,7}))$/i.exec(name) ?? []
    const code = hex ? Number.parseInt(hex, 16) : Number(decimal ?? Number.NaN)
    const character = code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : entities.get(name)
    if (character === undefined || !whole.endsWith(';')) throw new NotXml()
    return character
  })
