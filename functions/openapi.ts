import { jsonAnswer } from './answer.ts'
import { openapiDocument } from './openapi/description.ts'
import type { DocumentSchemas } from './openapi/row.ts'
import { registerReadOnly } from './read-only.ts'

/** `GET /openapi.json`: every route of every role, as API Management imports it. Made when first asked for. */
export function registerOpenapi(url: string, schemas: DocumentSchemas): void {
  let document: ReturnType<typeof openapiDocument> | undefined
  registerReadOnly('openapi', 'openapi.json', async () => {
    document ??= openapiDocument(url, schemas)
    return jsonAnswer(200, document)
  })
}
