import { lookup } from 'node:dns'
import { type RequestOptions, request } from 'node:https'
import { BlockList, isIP, type LookupFunction } from 'node:net'
import type { Secret } from '../credentials/secret.ts'

/** Fetches a JSON document. Throws where the answer is not 200, is too large, too slow, redirected or not JSON. */
export type FetchJson = (url: URL, network: 'public' | 'private') => Promise<unknown>

/** Posts a JSON document and returns the one that answers it. Throws as {@link FetchJson} does. */
export type PostJson = (url: URL, posted: Posted) => Promise<unknown>

export interface Posted {
  readonly body: unknown
  readonly bearer: Secret
  /** The server's own authority, PEM; without it the public ones. */
  readonly ca: string | undefined
  readonly network: 'public' | 'private'
}

const timeout = 5_000
const maxBytes = 100 * 1024

/** Addresses that a public issuer never has: asking for one would turn the gateway on its own network (SSRF). */
const privateAddresses = new BlockList()
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['168.63.129.16', 32],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['224.0.0.0', 3],
] as const) {
  privateAddresses.addSubnet(network, prefix, 'ipv4')
}
for (const [network, prefix] of [
  ['::', 96],
  ['::ffff:0:0:0', 96],
  ['64:ff9b::', 96],
  ['64:ff9b:1::', 48],
  ['100::', 64],
  ['2001::', 32],
  ['2002::', 16],
  ['fc00::', 7],
  ['fe80::', 10],
  ['fec0::', 10],
  ['ff00::', 8],
] as const) {
  privateAddresses.addSubnet(network, prefix, 'ipv6')
}

/**
 * The one way out to issuers: https only, no redirects, 5 s and 100 KiB at most, and unless the issuer's document says
 * `private`, only to public addresses, judged after resolution so that a name cannot hide one.
 */
export const fetchJson: FetchJson = (url, network) => askJson(url, { network, expected: 200 })

/** The same for a question with a body; Kubernetes answers one that creates with 201. */
export const postJson: PostJson = (url, { body, bearer, ca, network }) =>
  askJson(url, { network, expected: 201, body: JSON.stringify(body), bearer, ca })

interface Question {
  readonly network: 'public' | 'private'
  readonly expected: number
  readonly body?: string
  readonly bearer?: Secret
  readonly ca?: string | undefined
}

async function askJson(url: URL, question: Question): Promise<unknown> {
  if (url.protocol !== 'https:') throw new Error('expected an https URL')
  const host = url.hostname.replace(/^\[|\]$/g, '')
  if (question.network === 'public' && isIP(host) !== 0) refusePrivate(host)
  return JSON.parse(await ask(url, question))
}

function ask(url: URL, question: Question): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = request(url, optionsOf(question), response => {
      const chunks: Buffer[] = []
      let size = 0
      if (response.statusCode !== question.expected) sent.destroy(new Error(`status ${response.statusCode}`))
      response.on('data', (chunk: Buffer) => {
        size += chunk.length
        if (size > maxBytes) sent.destroy(new Error('the answer is over 100 KiB'))
        else chunks.push(chunk)
      })
      response.on('end', () => resolve(Buffer.concat(chunks).toString('utf8')))
      response.on('error', reject)
    })
    sent.on('error', reject)
    sent.end(question.body)
  })
}

function optionsOf({ network, body, bearer, ca }: Question): RequestOptions {
  return {
    method: body === undefined ? 'GET' : 'POST',
    headers: {
      accept: 'application/json',
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(bearer && { authorization: `Bearer ${bearer.reveal()}` }),
    },
    // A connection that was opened for a private issuer must not be used again for a public one: it has no lookup.
    agent: false,
    signal: AbortSignal.timeout(timeout),
    ...(ca !== undefined && { ca }),
    ...(network === 'public' && { lookup: publicLookup }),
  }
}

/** Node's own resolver, with private addresses refused before a connection is made. */
const publicLookup: LookupFunction = (host, options, done) => {
  lookup(host, { ...options, all: true }, (error, found) => {
    const [first] = found ?? []
    if (error || !first) return done(error ?? new Error('no address'), '', 0)
    try {
      for (const { address } of found) refusePrivate(address)
    } catch (refusal) {
      return done(refusal as Error, '', 0)
    }
    if (options.all) return done(null, found)
    return done(null, first.address, first.family)
  })
}

function refusePrivate(address: string): void {
  if (privateAddresses.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')) {
    throw new Error('a private address, and the issuer is not marked as private')
  }
}
