import { join } from 'node:path'
import { openSecrets } from './secrets.ts'
import type { Stack } from './stack.ts'
import { approver, operator } from './world.ts'

/** Commands to paste, which need curl and node and nothing else. */
export function showCommands({ gateway, description }: Stack, dir: string): void {
  const { clusters, tenant, audience, auditor, cosmos, checkpointKey, ca } = description
  const tokenRequest = clusters[0]?.tokenRequest.replace('{namespace}', 'payments').replace('{name}', 'api')
  const field = (path: string) => `node -pe 'JSON.parse(require("fs").readFileSync(0)).${path}'`
  const { applications } = openSecrets(dir)
  const signIn = (id: string, secret: string) =>
    `$(curl -s ${tenant.tokenEndpoint} -d grant_type=client_credentials -d client_id=${id} -d client_secret=${secret} -d scope=${tenant.adminScope} | ${field('access_token')})`
  console.log(`
The gateway is at ${gateway.url}; its log is ${join(dir, 'gateway.log')}, and ${join(dir, 'stack.json')} tells the rest.
Paste these into another terminal. Ctrl-C here ends everything.

# A pod's token, by Kubernetes' own TokenRequest
TOKEN=$(curl -s ${tokenRequest} -H 'content-type: application/json' -d '{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{"audiences":["${audience}"],"boundObjectRef":{"apiVersion":"v1","kind":"Pod","name":"api-7d9c6b5f4-x2x7k"}}}' | ${field('status.token')})

# ... becomes a database login
curl -s ${gateway.url}/token -d grant_type=urn:ietf:params:oauth:grant-type:token-exchange -d subject_token_type=urn:ietf:params:oauth:token-type:jwt -d subject_token=$TOKEN -d audience=orders-db -d scope=read

# Operating it: the README's chapter begins with these, and the rules are what an operator sees first
GW=${gateway.url} DIR=${dir} CLUSTER=${clusters[0]?.issuerUrl}
OPERATOR=${signIn(operator.clientId, applications.operator)}
APPROVER=${signIn(approver.clientId, applications.approver)}
curl -s ${gateway.url}/manage/rules?target=orders-db -H "authorization: Bearer $OPERATOR"

# Nobody altered the decision log, up to the last checkpoint (one a minute)
IDENTITY_ENDPOINT=${auditor.endpoint} IDENTITY_HEADER=${auditor.header} AZURE_CLIENT_ID=${auditor.clientId} NODE_EXTRA_CA_CERTS=${ca} npx causeway verify-log --key ${checkpointKey} --endpoint ${cosmos.endpoint} --database ${cosmos.database} --from ${new Date().toISOString().slice(0, 10)}
`)
}
