/** Controls (C0, C1, DEL), what steers the direction of text or is invisible, line separators, and halves of a character. */
const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu

/** The most that is shown of one text. */
const longest = 2_000

/**
 * Text from outside for a terminal: what could move the cursor, colour or reorder what else is there, or begin a line of
 * its own, is shown as its code (`\u001b`). Long text is cut.
 */
export function printable(text: string): string {
  const shown = text.length > longest ? `${text.slice(0, longest)}…` : text
  return shown.replace(unprintable, codeOf)
}

function codeOf(character: string): string {
  return `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`
}
