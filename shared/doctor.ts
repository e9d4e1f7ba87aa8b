import type { DecisionLog } from './decisions/record.ts'
import type { DocumentEditor } from './document-editor.ts'
import { onRecord } from './record-check.ts'
import type { Check, Checks } from './targets/cosmos-checks.ts'
import type { IssuerChecked, IssuerCheckOptions } from './workload/check-issuer.ts'
import type { Issuer } from './workload/issuer.ts'
import type { Workload } from './workload/workload.ts'

/** What operators may have checked. Everything is on record, and throws 503 where Cosmos DB cannot be asked. */
export interface Doctor {
  /** Asks for a check of a target; undefined where there is none. */
  askTarget(id: string, operator: Workload): Promise<Check | undefined>
  /** A check that was asked for, whatever its state. */
  read(id: string): Promise<Check | undefined>
  /** Checks an issuer now, and a token of it where one is given; undefined where there is no such issuer. */
  checkIssuer(id: string, token: string | undefined, operator: Workload): Promise<IssuerChecked | undefined>
}

export interface DoctorOptions {
  readonly targets: Pick<DocumentEditor, 'read'>
  readonly issuers: Pick<DocumentEditor, 'read' | 'versionMembers'>
  readonly checks: Checks
  readonly decisions: DecisionLog
  readonly checkIssuer: (
    document: unknown,
    token: string | undefined,
    keysSince: IssuerCheckOptions['keysSince'],
  ) => Promise<IssuerChecked>
}

export function doctor({ targets, issuers, checks, decisions, checkIssuer }: DoctorOptions): Doctor {
  /** The oldest of the versions, without a gap, that have the keys which are in force. */
  async function keysSince({ id }: Issuer): Promise<string | undefined> {
    const saved = await issuers.versionMembers({ id, partition: id }, 'keys')
    const [current] = saved.map(({ member }) => JSON.stringify(member))
    const end = saved.findIndex(({ member }) => JSON.stringify(member) !== current)
    return saved.at(end === -1 ? -1 : end - 1)?.at
  }

  return {
    async askTarget(id, operator) {
      const name = { id, partition: id }
      if (!(await targets.read(name))) return undefined
      const document = { container: 'targets', ...name } as const
      return onRecord({ decisions, operator, document }, () => checks.ask(id))
    },
    read: checks.read,
    async checkIssuer(id, token, operator) {
      const name = { id, partition: id }
      const found = await issuers.read(name)
      if (!found) return undefined
      const document = { container: 'issuers', ...name } as const
      return onRecord({ decisions, operator, document }, () => checkIssuer(found.content, token, keysSince))
    },
  }
}
