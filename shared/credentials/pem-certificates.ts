import { z } from 'zod'

/** Certificates in PEM (RFC 7468) and nothing else: callers receive this text. */
export const pemCertificates = z
  .string()
  .max(65_536)
  .regex(
    /^\s*(?:-----BEGIN CERTIFICATE-----[0-9A-Za-z+/=\s]+-----END CERTIFICATE-----\s*)+$/,
    'expected certificates in PEM',
  )
