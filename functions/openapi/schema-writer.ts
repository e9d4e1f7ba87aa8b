import { z } from 'zod'

/** A part of the description. */
export type Json = Readonly<Record<string, unknown>>

/** Writes schemas as JSON Schema. */
export interface SchemaWriter {
  /** The schema itself. */
  definition(schema: z.ZodType): Json
  /** The schema where it is used: what is a component is named. */
  use(schema: z.ZodType): Json
}

/** What is a component is described once, and named where it is used. */
export function schemaWriter(components: Readonly<Record<string, z.ZodType>>): SchemaWriter {
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
