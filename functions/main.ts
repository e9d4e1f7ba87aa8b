import { app } from '@azure/functions'
import { openGateway } from '../shared/gateway.ts'
import { readSettings } from '../shared/settings.ts'
import { registerHealth } from './health.ts'
import { registerAccess } from './manage/access.ts'
import { registerCalendars } from './manage/calendars.ts'
import { registerChanges } from './manage/changes.ts'
import { registerChecks } from './manage/checks.ts'
import { registerDecisions } from './manage/decisions.ts'
import { registerEvaluate } from './manage/evaluate.ts'
import { registerGuardrails } from './manage/guardrails.ts'
import { registerImpact } from './manage/impact.ts'
import { registerIssuers } from './manage/issuers.ts'
import { registerLeases } from './manage/leases.ts'
import { registerLockdowns } from './manage/lockdowns.ts'
import { registerUnknownRoute } from './manage/managed-route.ts'
import { registerPosture } from './manage/posture.ts'
import { registerRules } from './manage/rules.ts'
import { registerTargets } from './manage/targets.ts'
import { registerMetadata } from './metadata.ts'
import { registerOpenapi } from './openapi.ts'
import { registerRevoke } from './revoke.ts'
import { registerAnswerChecks } from './timers/answer-checks.ts'
import { registerCheckpoint } from './timers/checkpoint.ts'
import { registerReconcile } from './timers/reconcile.ts'
import { registerRevokeExpired } from './timers/revoke-expired.ts'
import { registerToken } from './token.ts'

// The entry of the app: the one file that does something by being imported. Settings that are not complete end it.
const settings = readSettings()
const endExport = settings.applicationInsights && (await startExport(settings.applicationInsights))
const gateway = openGateway(settings)
const { schemas, exchange, manage, timers } = gateway

app.setup({ enableHttpStream: false })
registerHealth(exchange)
registerOpenapi(settings.issuer, schemas)
if (exchange) {
  registerToken(exchange)
  registerRevoke(exchange)
  registerMetadata(settings.issuer)
}
if (manage) {
  registerRules(manage)
  registerGuardrails(manage)
  registerTargets(manage)
  registerIssuers(manage)
  registerCalendars(manage)
  registerChanges(manage)
  registerEvaluate(manage)
  registerImpact(manage)
  registerAccess(manage)
  registerLockdowns(manage)
  registerPosture(manage)
  registerDecisions(manage)
  registerLeases(manage)
  registerChecks(manage)
  registerUnknownRoute()
}
if (timers) {
  registerRevokeExpired(timers)
  registerCheckpoint(timers)
  registerReconcile(timers)
  registerAnswerChecks(timers)
}

/** An SDK is read only where there is somewhere to export to. */
async function startExport(connectionString: string): Promise<() => Promise<void>> {
  const { exportTelemetry } = await import('./export-telemetry.ts')
  return exportTelemetry(connectionString)
}

app.hook.appTerminate(async () => {
  await gateway.close()
  if (endExport) await endExport()
})
