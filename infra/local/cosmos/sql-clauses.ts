/** The text of a query's clauses. Absent clauses are empty. */
export interface SqlClauses {
  readonly select: string
  readonly from: string
  readonly where: string
  readonly orderBy: string
}

/** Strings, opening and closing brackets, commas and the keywords that begin a clause. */
const token = /'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[([{]|[)\]}]|,|\b(?:SELECT|FROM|WHERE|ORDER\s+BY)\b/gi

/** Cuts a query into its clauses. What stands in strings, or in the brackets of a subquery, begins none. */
export function splitClauses(sql: string): SqlClauses {
  const marks = topLevel(sql).filter(({ text }) => /^\w/.test(text))
  const clauses = new Map(
    marks.map(({ text, index }, place) => {
      const end = marks[place + 1]?.index ?? sql.length
      return [text.toUpperCase().replace(/\s+/, ' '), sql.slice(index + text.length, end).trim()]
    }),
  )
  const clause = (name: string) => clauses.get(name) ?? ''
  return { select: clause('SELECT'), from: clause('FROM'), where: clause('WHERE'), orderBy: clause('ORDER BY') }
}

/** Cuts a list at its commas, those in strings and brackets excepted. */
export function splitList(text: string): string[] {
  const commas = topLevel(text).filter(mark => mark.text === ',')
  const starts = [0, ...commas.map(({ index }) => index + 1)]
  return starts.map((start, place) => text.slice(start, commas[place]?.index ?? text.length).trim())
}

/** The name that stands for a document: `c` of `FROM c`, `r` of `FROM rules r`. Undefined for anything but one source. */
export function aliasOf(from: string): string | undefined {
  const source = /^\w+(?:\s+(?:AS\s+)?(\w+))?$/i.exec(from)
  return source ? (source[1] ?? from) : undefined
}

function topLevel(sql: string): { text: string; index: number }[] {
  let depth = 0
  const marks: { text: string; index: number }[] = []
  for (const { 0: text, index } of sql.matchAll(token)) {
    if (/^[([{]$/.test(text)) depth++
    else if (/^[)\]}]$/.test(text)) depth--
    else if (depth === 0) marks.push({ text, index })
  }
  return marks
}
