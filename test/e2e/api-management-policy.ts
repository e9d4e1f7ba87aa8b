import { type KeyObject, randomUUID, sign } from 'node:crypto'
import { readFile } from 'node:fs/promises'

/** What API Management knows when it runs the policy. */
export interface PolicyContext {
  /** Named values, each by its name: `{{name}}`. */
  readonly named: Readonly<Record<string, string>>
  /** The private key of the certificate that signs, by its thumbprint. */
  readonly certificates: Readonly<Record<string, KeyObject>>
  /** A token of API Management's managed identity for a resource. */
  readonly managedIdentity: (resource: string) => Promise<string>
  /** `context.Request.IpAddress`. */
  readonly callerAddress: string
}

/** The request that `send-request` makes, and what it was made of. */
export interface PolicyRequest {
  readonly url: string
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly variables: Readonly<Record<string, string>>
}

const file = new URL('../../infra/api-management/token-exchange.xml', import.meta.url)

/** The policy's text, without its comments. */
export async function readPolicy(): Promise<string> {
  return (await readFile(file, 'utf8')).replace(/<!--[\s\S]*?-->/g, '')
}

/**
 * Runs the part of the policy that asks the gateway: names, values and structure are the file's own. It understands the
 * few C# expressions that are there and throws for any other, so that the policy cannot change without a test.
 */
export async function runPolicy(policy: string, context: PolicyContext): Promise<PolicyRequest> {
  const text = policy.replace(/\{\{([\w-]+)\}\}/g, (_, name: string) => known(context.named, name))
  const request = only(text, /<send-request [\s\S]*?<\/send-request>/g)
  const variables = {
    [attribute(text, /<set-variable name="(\w+)" value="@\{/)]: subjectToken(text, context),
    [attribute(text, /output-token-variable-name="(\w+)"/)]: await context.managedIdentity(
      attribute(text, /<authentication-managed-identity resource="([^"]+)"/),
    ),
  }
  const value = (expression: string) => evaluate(expression, { ...context, variables })
  const headers = [...request.matchAll(/<set-header name="([\w-]+)" exists-action="override"><value>(.*?)<\/value>/g)]
  return {
    url: value(element(request, 'set-url')),
    method: element(request, 'set-method'),
    headers: Object.fromEntries(headers.map(([, name = '', content = '']) => [name, value(content)])),
    body: value(element(request, 'set-body')),
    variables,
  }
}

function known(values: Readonly<Record<string, string>>, name: string): string {
  const value = values[name]
  if (value === undefined) throw new Error(`the policy names ${name}, and nobody said what that is`)
  return value
}

function only(text: string, pattern: RegExp): string {
  const [found, ...more] = text.match(pattern) ?? []
  if (found === undefined || more.length > 0) throw new Error(`expected ${pattern} once`)
  return found
}

function attribute(text: string, pattern: RegExp): string {
  const found = pattern.exec(text)?.[1]
  if (found === undefined) throw new Error(`expected ${pattern}`)
  return found
}

function element(text: string, name: string): string {
  return attribute(text, new RegExp(`<${name}>([\\s\\S]*?)</${name}>`))
}

interface Evaluation {
  readonly callerAddress: string
  readonly variables: Readonly<Record<string, string>>
}

/** Plain text, or `@(a + b + …)` of the terms below. */
function evaluate(text: string, evaluation: Evaluation): string {
  const expression = /^@\(([\s\S]*)\)$/.exec(text.trim())?.[1]
  if (expression === undefined) return text
  return expression
    .split(/\s\+\s/)
    .map(term => evaluateTerm(term.trim(), evaluation))
    .join('')
}

function evaluateTerm(term: string, { callerAddress, variables }: Evaluation): string {
  const literal = /^"([^"\\]*)"$/.exec(term)?.[1]
  if (literal !== undefined) return literal
  const variable = /^\(string\)context\.Variables\["(\w+)"\]$/.exec(term)?.[1]
  if (variable !== undefined) return known(variables, variable)
  const escaped = /^Uri\.EscapeDataString\((.*)\)$/.exec(term)?.[1]
  if (escaped !== undefined) return encodeURIComponent(evaluateTerm(escaped, { callerAddress, variables }))
  if (term === 'context.Request.IpAddress') return callerAddress
  throw new Error(`an expression that this test does not know: ${term}`)
}

/** Signs what the C# block of the policy signs. */
function subjectToken(text: string, { certificates }: PolicyContext): string {
  const block = attribute(text, /<set-variable name="\w+" value="@\{([\s\S]*?)\}" \/>/)
  const [header = '', claims = ''] = [...block.matchAll(/var (?:header|claims) = new JObject\(([\s\S]*?)\);/g)].map(
    ([, properties]) => properties,
  )
  const signed = [header, claims].map(properties => encode(JSON.stringify(membersOf(properties)))).join('.')
  // RS256 is PKCS #1 v1.5 with SHA-256.
  attribute(
    block,
    /(SignData\(Encoding\.UTF8\.GetBytes\(signed\), HashAlgorithmName\.SHA256, RSASignaturePadding\.Pkcs1\))/,
  )
  const key = certificates[attribute(block, /context\.Deployment\.Certificates\["([^"]+)"\]\.GetRSAPrivateKey\(\)/)]
  if (!key) throw new Error('no such certificate')
  return `${signed}.${encode(sign('sha256', Buffer.from(signed), key))}`
}

function encode(content: string | Buffer): string {
  return Buffer.from(content).toString('base64url')
}

/** `new JProperty("name", value), …` */
function membersOf(properties: string): Readonly<Record<string, string | number>> {
  const now = Math.floor(Date.now() / 1000)
  const found = [...properties.matchAll(/new JProperty\("(\w+)", ((?:[^()]|\(\))+)\)/g)]
  return Object.fromEntries(found.map(([, name = '', value = '']) => [name, memberValue(value, now)]))
}

function memberValue(value: string, now: number): string | number {
  const literal = /^"([^"\\]*)"$/.exec(value)?.[1]
  if (literal !== undefined) return literal
  const later = /^now(?: \+ (\d+))?$/.exec(value)
  if (later) return now + Number(later[1] ?? 0)
  if (value === 'Guid.NewGuid().ToString()') return randomUUID()
  throw new Error(`a value that this test does not know: ${value}`)
}
