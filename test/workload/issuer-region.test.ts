import { expect, test } from 'vitest'
import { regionOf } from '../../shared/workload/issuer-region.ts'

const ids = '11111111-1111-4111-8111-111111111111/22222222-2222-4222-8222-222222222222/'

test.each([
  [`https://westeurope.oic.prod-aks.azure.com/${ids}`, 'westeurope'],
  [`https://europe.oic.prod-arc.azure.com/${ids}`, 'europe'],
  [`https://usgovvirginia.oic.prod-aks.azure.us/${ids}`, 'usgovvirginia'],
  [`https://chinanorth3.oic.prod-aks.azure.cn/${ids}`, 'chinanorth3'],
])('%s is in %s', (url, region) => {
  expect(regionOf(url)).toBe(region)
})

test.each([
  `https://oidc.prod-aks.azure.com/${ids}`,
  `http://westeurope.oic.prod-aks.azure.com/${ids}`,
  `https://westeurope.oic.prod-aks.azure.com.evil.example/${ids}`,
  `https://evil.example/https://westeurope.oic.prod-aks.azure.com/${ids}`,
  `https://westeurope@evil.example/.oic.prod-aks.azure.com/${ids}`,
  `https://a.westeurope.oic.prod-aks.azure.com/${ids}`,
  `https://westeuropeXoic.prod-aks.azure.com/${ids}`,
  'https://kubernetes.default.svc.cluster.local',
])('%s tells no region', url => {
  expect(regionOf(url)).toBe(undefined)
})
