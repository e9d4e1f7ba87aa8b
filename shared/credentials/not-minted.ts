import { type ExchangeError, NotMinted } from '../errors.ts'

/** The same failure, of a mint of which it is certain that it made nothing. */
export function asNotMinted(error: ExchangeError): NotMinted {
  if (error instanceof NotMinted) return error
  const { code, reason, description, retryAfter, detail, cause } = error
  return new NotMinted(code, reason, {
    detail,
    cause,
    ...(description !== undefined && { description }),
    ...(retryAfter !== undefined && { retryAfter }),
  })
}
