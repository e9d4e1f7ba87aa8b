/** The namespaces whose leases or decisions an operator may see: those of a role with a namespace's suffix, or all. */
export type Namespaces = 'all' | readonly string[]
