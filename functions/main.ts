import { app } from '@azure/functions'
import { openGateway } from '../shared/gateway.ts'
import { readSettings } from '../shared/settings.ts'
import { registerHealth } from './health.ts'
import { registerCalendars } from './manage/calendars.ts'
import { registerGuardrails } from './manage/guardrails.ts'
import { registerIssuers } from './manage/issuers.ts'
import { registerLockdowns } from './manage/lockdowns.ts'
import { registerRules } from './manage/rules.ts'
import { registerTargets } from './manage/targets.ts'
import { registerMetadata } from './metadata.ts'
import { registerRevoke } from './revoke.ts'
import { registerReconcile } from './timers/reconcile.ts'
import { registerRevokeExpired } from './timers/revoke-expired.ts'
import { registerToken } from './token.ts'

// The entry of the app: the one file that does something by being imported. Settings that are not complete end it.
const gateway = openGateway(readSettings())
const { settings, exchange, manage, timers } = gateway

app.setup({ enableHttpStream: false })
registerHealth(exchange)
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
  registerLockdowns(manage)
}
if (timers) {
  registerRevokeExpired(timers)
  registerReconcile(timers)
}
app.hook.appTerminate(() => gateway.close())
