import { z } from 'zod'
import { oauthError, problemDocument } from './answers.ts'
import type { Method, Operation, RouteRow } from './row.ts'
import type { Json, SchemaWriter } from './schema-writer.ts'

const json = 'application/json'

/** The operations of a row at one of its paths, by method. */
export function operationsOf(row: RouteRow, path: string, writer: SchemaWriter): Json {
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
      requestBody: { required: !body.isOptional, content: contentOf(body.type ?? json, writer.use(body.schema)) },
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
      const content = [[json, schema] as const, ...others].map(([type, of]) => contentOf(type, writer.use(of)))
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
  const type = isManage ? 'application/problem+json' : json
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
