import { writeFileSync } from 'node:fs'
import { schemaFiles } from './schemas.ts'

// `npm run schema`: writes the files beside this one. They are committed, and a test holds that they are current.
for (const { name, text } of schemaFiles()) {
  writeFileSync(new URL(name, import.meta.url), text)
  console.log(`infra/json-schema/${name}`)
}
