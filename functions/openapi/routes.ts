import { accessRows } from './access-rows.ts'
import { changeRows } from './change-rows.ts'
import { checkRows } from './check-rows.ts'
import { decisionRows } from './decision-rows.ts'
import { documentRows } from './document-rows.ts'
import { leaseRows } from './lease-rows.ts'
import { oauthRows } from './oauth-rows.ts'
import { openRows } from './open-rows.ts'
import { postureRows } from './posture-rows.ts'
import { type DocumentSchemas, manageRow, type RouteRow } from './row.ts'
import { whatIfRows } from './what-if-rows.ts'

/** Every HTTP function that the app registers, one row each. A test holds the table against the functions, and real answers against it. */
export function routeRows(schemas: DocumentSchemas): readonly RouteRow[] {
  return [
    ...openRows,
    ...oauthRows,
    ...documentRows(schemas),
    ...postureRows(schemas),
    ...changeRows,
    ...whatIfRows,
    ...accessRows,
    ...decisionRows,
    ...leaseRows,
    ...checkRows,
    unknownRow,
  ]
}

/** What nobody should ask for is not described. */
const unknownRow: RouteRow = { ...manageRow('{*path}', {}), paths: [] }
