/** Beyond this, text that somebody else wrote is cut. Characters. */
const longest = 2_000

/** Control characters, what turns the direction of text or is not seen at all, separators of lines, halves of a character. */
const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu

/**
 * Text that somebody else wrote, as one line that a terminal shows as it is: what could move the cursor, hide or reorder
 * what stands beside it becomes a visible escape, and what is very long is cut.
 */
export function printable(text: string): string {
  const shown = text.slice(0, longest).replace(unprintable, escapeOf)
  return text.length > longest ? `${shown}… (${text.length - longest} characters more)` : shown
}

/** As JSON writes it, so that JSON stays JSON. */
function escapeOf(character: string): string {
  return Array.from({ length: character.length }, (_, at) => {
    return `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`
  }).join('')
}
