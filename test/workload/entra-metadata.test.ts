import { exportJWK, generateKeyPair } from 'jose'
import { describe, expect, test } from 'vitest'
import { issuerDocument } from '../../shared/workload/issuer.ts'
import { issuerKeys } from '../../shared/workload/issuer-keys.ts'

const tenant = 'f645ad92-e38d-4d79-b4c4-6f2d8b5f3a10'
const other = '9188040d-6c67-4c5b-b112-36a304b66dad'
const version1 = `https://sts.windows.net/${tenant}/`

function issuerOf(issuerUrl: string) {
  return issuerDocument.parse({ schema: 1, id: 'entra', issuerUrl, kind: 'entra', audiences: ['api://causeway'] })
}

async function keysOf(pages: Readonly<Record<string, unknown>>) {
  const asked: string[] = []
  const fetchJson = async (url: URL) => {
    asked.push(url.href)
    const page = pages[url.href]
    if (page === undefined) throw new Error('status 404')
    return page
  }
  return { asked, keys: issuerKeys({ fetchJson, monotonic: () => 0 }) }
}

async function published(kid: string, issuer?: string) {
  const { publicKey } = await generateKeyPair('RS256')
  return { ...(await exportJWK(publicKey)), kid, use: 'sig', ...(issuer && { issuer }) }
}

describe('an issuer of v1.0 tokens', () => {
  test('finds its keys where Entra documents them, on another host than its own', async () => {
    const jwks = `https://login.microsoftonline.com/common/discovery/keys`
    const { keys, asked } = await keysOf({
      [`https://login.microsoftonline.com/${tenant}/.well-known/openid-configuration`]: {
        issuer: version1,
        jwks_uri: jwks,
      },
      [jwks]: { keys: [await published('a')] },
    })
    expect(await keys.find(issuerOf(version1), 'a')).toMatchObject({ algorithm: 'RS256' })
    expect(asked).toEqual([`https://login.microsoftonline.com/${tenant}/.well-known/openid-configuration`, jwks])
  })

  test('is not sent elsewhere by what its metadata says', async () => {
    const { keys } = await keysOf({
      [`https://login.microsoftonline.com/${tenant}/.well-known/openid-configuration`]: {
        issuer: version1,
        jwks_uri: 'https://evil.example/keys',
      },
      'https://evil.example/keys': { keys: [await published('a')] },
    })
    await expect(keys.find(issuerOf(version1), 'a')).rejects.toMatchObject({ reason: 'issuer_keys_unavailable' })
  })
})

test("of keys that Entra publishes for several tenants, another tenant's does not count", async () => {
  const version2 = `https://login.microsoftonline.com/${tenant}/v2.0`
  const jwks = `https://login.microsoftonline.com/${tenant}/discovery/v2.0/keys`
  const { keys } = await keysOf({
    [`${version2}/.well-known/openid-configuration`]: { issuer: version2, jwks_uri: jwks },
    [jwks]: {
      keys: [
        await published('any', 'https://login.microsoftonline.com/{tenantid}/v2.0'),
        await published('mine', version2),
        await published('theirs', `https://login.microsoftonline.com/${other}/v2.0`),
      ],
    },
  })
  const found = await Promise.all(['any', 'mine', 'theirs'].map(id => keys.find(issuerOf(version2), id)))
  expect(found.map(key => key !== undefined)).toEqual([true, true, false])
})
