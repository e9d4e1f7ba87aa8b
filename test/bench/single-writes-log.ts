import { randomUUID } from 'node:crypto'
import { askCosmos } from '../../shared/cosmos-error.ts'
import type { CosmosDecisionLogOptions } from '../../shared/decisions/cosmos-decision-log.ts'
import type { OpenDecisionLog } from '../../shared/decisions/decision-log.ts'
import { recordContent } from '../../shared/decisions/record-content.ts'

const maxRecordBytes = 32 * 1024

/**
 * What group commit is compared with: one write to Cosmos DB for each record, as many at once as there are writers. No
 * record holds the hash of another, so it is spared that work, too.
 */
export function cosmosDecisionLog({
  decisions,
  deployment,
  retention,
  now,
  print,
}: CosmosDecisionLogOptions): OpenDecisionLog {
  const boot = randomUUID()
  const ttl = Math.round(retention / 1000)
  let sequence = 0
  return {
    async write(entry) {
      const at = new Date(now()).toISOString()
      sequence += 1
      const position = { stream: `${at.slice(0, 13)}/${boot}/0`, id: String(sequence).padStart(12, '0') }
      const { members } = recordContent(entry, maxRecordBytes)
      const content = Object.fromEntries(members.map(({ name, value }) => [name, value]))
      const record = { schema: 1, ...position, at, deployment, ...content, ttl }
      await askCosmos('record_unavailable', () => decisions.items.create(record))
      print(JSON.stringify(record))
      return position
    },
    close: async () => {},
  }
}
