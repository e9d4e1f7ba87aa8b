import { BlockList, isIPv4, isIPv6, SocketAddress } from 'node:net'
import { z } from 'zod'
import type { Client } from '../facts.ts'
import type { Condition, Finding } from './condition.ts'

const provenances = ['direct', 'forwarded'] as const

const network = z
  .union([z.cidrv4(), z.cidrv6(), z.ipv4(), z.ipv6()], {
    error: 'expected a network such as 10.0.0.0/8 or 2001:db8::/32, or an address',
  })
  .refine(text => /^[^/]+(\/\d{1,3})?$/.test(text), 'expected a whole number of bits after the /')
  .refine(text => !isMapped(text), 'expected an IPv4 network in its own notation')
const networks = z.array(network).max(256).default([])

/**
 * Networks that the client's address is in, and not in. An IPv4 address in IPv6 clothes counts as the IPv4 address.
 * An address that nobody vouches for, or nobody whose word this rule accepts, cannot be judged.
 */
export const networkCondition = z
  .strictObject({
    in: networks,
    notIn: networks,
    provenance: z
      .array(z.enum(provenances))
      .min(1)
      .default([...provenances]),
  })
  .refine(
    condition => condition.in.length + condition.notIn.length > 0,
    'expected "in" or "notIn" to name a network at least',
  )
  .transform(condition => [compileNetwork(condition)])

interface Networks {
  readonly in: readonly string[]
  readonly notIn: readonly string[]
  readonly provenance: readonly Client['provenance'][]
}

function compileNetwork(expected: Networks): Condition {
  const [inside, outside] = [anyOf(expected.in), anyOf(expected.notIn)]
  return { test: 'network', expected, judge: ({ client }) => judge(client) }

  function judge({ address, provenance }: Client): Finding {
    const found = { provenance, ...(address !== undefined && { address }) }
    if (address === undefined || !expected.provenance.includes(provenance))
      return { unevaluable: 'nobody whose word is accepted says which address the client has', found }
    const isInside = expected.in.length === 0 || inside(address)
    return { met: isInside && !outside(address), found }
  }
}

/** Whether an address is in any of the networks. An IPv4 address is in no IPv6 network: `::/0` is every IPv6 address. */
function anyOf(networks: readonly string[]): (address: string) => boolean {
  const ipv4 = listOf(networks.filter(text => !text.includes(':')))
  const ipv6 = listOf(networks.filter(text => text.includes(':')))
  return address => {
    if (isIPv4(address)) return ipv4.check(address)
    return isMapped(address) ? ipv4.check(address, 'ipv6') : ipv6.check(address, 'ipv6')
  }
}

/** `::ffff:10.0.0.0/104`, however it is written. */
function isMapped(network: string): boolean {
  const [address = ''] = network.split('/')
  return isIPv6(address) && /^::ffff:\d+\./.test(new SocketAddress({ address, family: 'ipv6' }).address)
}

function listOf(networks: readonly string[]): BlockList {
  const list = new BlockList()
  for (const text of networks) {
    const [address = '', prefix] = text.split('/')
    const family = isIPv6(address) ? 'ipv6' : 'ipv4'
    if (prefix === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(prefix), family)
  }
  return list
}
