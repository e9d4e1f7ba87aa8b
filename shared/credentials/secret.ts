import { inspect } from 'node:util'

/**
 * The text of a credential. It prints as `[secret]` in `JSON.stringify`, `util.inspect`, string building and errors;
 * `reveal` is the one way to its text, and only what sends it somewhere on purpose calls that.
 */
export class Secret {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  reveal(): string {
    return this.#text
  }

  toString(): string {
    return '[secret]'
  }

  toJSON(): string {
    return '[secret]'
  }

  [inspect.custom](): string {
    return '[secret]'
  }
}
