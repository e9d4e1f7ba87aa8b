/** A container as infrastructure code would make it. */
export interface ContainerDefinition {
  readonly id: string
  /** One path, such as `/target`. */
  readonly partitionKey: string
  /** Seconds; -1: on, without a default; absent: off, and an item's own `ttl` is ignored. */
  readonly defaultTtl?: number
}
