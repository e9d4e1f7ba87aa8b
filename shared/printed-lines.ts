/** What JSON leaves as it is, and whoever shows a log may obey: C1 controls, what steers text, and line separators. */
const obeyed = /[\x7f-\x9f\p{Cf}\p{Zl}\p{Zp}]/gu

/** Lines of JSON as they may be printed: the same values, with escapes for what could reorder or hide what is shown. */
export function printedLines(lines: string): string {
  return lines.replace(obeyed, escaped)
}

/** Beyond the basic plane, JSON has two escapes for one character (RFC 8259 section 7). */
function escaped(character: string): string {
  let escapes = ''
  for (let unit = 0; unit < character.length; unit++) {
    escapes += `\\u${character.charCodeAt(unit).toString(16).padStart(4, '0')}`
  }
  return escapes
}
