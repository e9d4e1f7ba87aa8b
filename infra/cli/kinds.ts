/** The documents that a folder may hold, and in which order references between them allow to put them. */
export const kinds = [
  { plural: 'issuers', singular: 'issuer' },
  { plural: 'calendars', singular: 'calendar' },
  { plural: 'targets', singular: 'target' },
  { plural: 'guardrails', singular: 'guardrail' },
  { plural: 'rules', singular: 'rule' },
] as const

export type Kind = (typeof kinds)[number]
export type Content = Readonly<Record<string, unknown>>

/** Where a document is in the API: rules below their target. */
export function pathOf({ plural }: Kind, { id, target }: Content): string {
  const place = plural === 'rules' ? [target, id] : [id]
  return [plural, ...place.map(part => encodeURIComponent(String(part)))].join('/')
}
