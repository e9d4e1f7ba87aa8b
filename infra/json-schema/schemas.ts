import { z } from 'zod'
import { calendarDocument } from '../../shared/rules/calendar.ts'
import { signalDocument } from '../../shared/rules/posture-signal.ts'
import { guardrailDocument, ruleDocument } from '../../shared/rules/rule.ts'

/** The documents that people write by hand, by the name of their JSON Schema's file. */
const documents = {
  'rule.schema.json': z.union([ruleDocument, guardrailDocument]),
  'calendar.schema.json': calendarDocument,
  'posture.schema.json': signalDocument,
}

/**
 * JSON Schemas (2020-12), as the text of their files: for editors, which complete and check by them. The gateway checks
 * more than a schema can say, such as time zones and expressions.
 */
export function schemaFiles(): readonly { readonly name: string; readonly text: string }[] {
  return Object.entries(documents).map(([name, document]) => ({
    name,
    text: `${JSON.stringify(z.toJSONSchema(document, { io: 'input', unrepresentable: 'any' }), undefined, 2)}\n`,
  }))
}
