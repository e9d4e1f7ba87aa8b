import { z } from 'zod'
import { oauthError, problemDocument } from './openapi-answers.ts'
import { routeRows } from './openapi-routes.ts'
import type { DocumentSchemas, Method, Operation, RouteRow } from './openapi-row.ts'

type Json = Readonly<Record<string, unknown>>

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

interface SchemaWriter {
  /** The schema itself. */
  definition(schema: z.ZodType): Json
  /** The schema where it is used: what is a component is named. */
  use(schema: z.ZodType): Json
}

function schemaWriter(components: Readonly<Record<string, z.ZodType>>): SchemaWriter {
  const names = new Map<unknown, string>(Object.entries(components).map(([name, schema]) => [schema, name]))
  const referenceTo = (schema: unknown) => {
    const name = names.get(schema)
    return name === undefined ? undefined : { $ref: `#/components/schemas/${name}` }
  }
  const write = (root: z.ZodType): Json => {
    const { $schema: _, ...written } = z.toJSONSchema(root, {
      io: 'input',
      unrepresentable: 'any',
      override({ zodSchema, jsonSchema }) {
        const schema: unknown = zodSchema
        const reference = schema === root ? undefined : referenceTo(schema)
        if (!reference) return
        for (const member of Object.keys(jsonSchema)) Reflect.deleteProperty(jsonSchema, member)
        Object.assign(jsonSchema, reference)
      },
    })
    return written
  }
  return { definition: write, use: schema => referenceTo(schema) ?? write(schema) }
}

function operationsOf(row: RouteRow, path: string, writer: SchemaWriter): Json {
  const all = Object.entries(row.operations) as [Method, Operation][]
  return Object.fromEntries(all.map(([method, operation]) => [method, operationOf(row, operation, { path, writer })]))
}

function operationOf(
  row: RouteRow,
  operation: Operation,
  { path, writer }: { path: string; writer: SchemaWriter },
): Json {
  const { summary, roles, body } = operation
  const parameters = [...pathParameters(path), ...queryParameters(operation, writer), ...conditions(operation)]
  return {
    summary,
    ...(roles && { security: [{ operator: roles }] }),
    ...(parameters.length > 0 && { parameters }),
    ...(body && {
      requestBody: { required: !body.isOptional, content: contentOf(body.type, writer.use(body.schema)) },
    }),
    responses: { ...answersOf(operation, writer), ...errorsOf(row, operation, writer) },
  }
}

function pathParameters(path: string): readonly Json[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => {
    return { name, in: 'path', required: true, schema: { type: 'string' } }
  })
}

function queryParameters({ query }: Operation, writer: SchemaWriter): readonly Json[] {
  if (!query) return []
  const written = z.object({ properties: z.record(z.string(), z.unknown()), required: z.array(z.string()).default([]) })
  const { properties, required } = written.parse(writer.use(query))
  return Object.entries(properties).map(([name, schema]) => {
    return { name, in: 'query', required: required.includes(name), schema }
  })
}

function conditions({ conditions: names = [] }: Operation): readonly Json[] {
  return names.map(name => ({ name, in: 'header', required: false, schema: { type: 'string' } }))
}

function answersOf({ answers, otherAnswers, headers }: Operation, writer: SchemaWriter): Json {
  return Object.fromEntries(
    Object.entries(answers).map(([status, schema]) => {
      const others = Object.entries(otherAnswers?.[Number(status)] ?? {})
      const content = [['application/json', schema] as const, ...others].map(([type, of]) =>
        contentOf(type, writer.use(of)),
      )
      return [
        status,
        {
          description: descriptions[status] ?? 'So.',
          ...(headers && { headers: headersOf(headers) }),
          content: Object.assign({}, ...content),
        },
      ]
    }),
  )
}

function headersOf(headers: Readonly<Record<string, string>>): Json {
  return Object.fromEntries(
    Object.entries(headers).map(([name, description]) => [name, { description, schema: { type: 'string' } }]),
  )
}

/** What every route of a family may answer besides. */
const usual = { open: [405], oauth: [400, 405, 500, 503], manage: [400, 401, 403, 405, 500, 503] }

function errorsOf({ family }: RouteRow, { errors = [], answers }: Operation, writer: SchemaWriter): Json {
  const isManage = family === 'manage'
  const type = isManage ? 'application/problem+json' : 'application/json'
  const schema = writer.use(isManage ? problemDocument : oauthError)
  const statuses = [...usual[family], ...errors].filter(status => !(status in answers))
  return Object.fromEntries(
    statuses.map(status => {
      return [status, { description: descriptions[status] ?? 'Not so.', content: contentOf(type, schema) }]
    }),
  )
}

function contentOf(type: string, schema: Json): Json {
  return { [type]: { schema } }
}

const descriptions: Readonly<Record<number | string, string>> = {
  200: 'Done.',
  201: 'Created.',
  202: 'Taken: it is done later, or when a second person approves it.',
  400: 'The request is not acceptable.',
  401: 'No access token of an operator.',
  403: 'Not among the roles of the operator.',
  404: 'There is none.',
  405: 'Another method.',
  409: 'It is in another state.',
  410: 'It lapsed.',
  412: 'It changed meanwhile.',
  422: 'The document is not acceptable.',
  428: 'A condition is missing.',
  429: 'Too often.',
  500: 'A fault of the gateway.',
  503: 'Something that is needed is not available.',
}
