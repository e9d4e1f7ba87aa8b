import { oauthError, problemDocument } from './answers.ts'
import { operationsOf } from './operations.ts'
import { routeRows } from './routes.ts'
import type { DocumentSchemas, RouteRow } from './row.ts'
import { type Json, schemaWriter } from './schema-writer.ts'

/** The OpenAPI 3.1 description of the whole gateway, from the schemas by which it parses. */
export function openapiDocument(url: string, schemas: DocumentSchemas): Json {
  const components = { ...schemas, problem: problemDocument, oauthError }
  const writer = schemaWriter(components)
  const paths = routeRows(schemas).flatMap(row =>
    pathsOf(row).map(path => [path, operationsOf(row, path, writer)] as const),
  )
  return {
    openapi: '3.1.0',
    info: {
      title: 'Causeway',
      version: '1',
      description: 'A token exchange: a workload token becomes a scoped, short-lived credential.',
    },
    servers: [{ url }],
    paths: Object.fromEntries(paths),
    components: {
      schemas: Object.fromEntries(
        Object.entries(components).map(([name, schema]) => [name, writer.definition(schema)]),
      ),
      securitySchemes: {
        operator: {
          type: 'http',
          scheme: 'bearer',
          bearerFormat: 'JWT',
          description: 'Entra; app roles per operation',
        },
      },
    },
  }
}

function pathsOf({ route, paths }: RouteRow): readonly string[] {
  return paths ?? [`/${route}`]
}
