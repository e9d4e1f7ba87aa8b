export interface ServiceAccount {
  readonly namespace: string
  readonly name: string
  readonly uid: string
}

export interface Pod {
  readonly namespace: string
  readonly name: string
  readonly uid: string
  /** The name of the service account it runs as, in its own namespace. */
  readonly serviceAccount: string
  readonly node: { readonly name: string; readonly uid: string }
}

/** What exists in the cluster. A namespace exists by having service accounts. */
export interface Inventory {
  serviceAccount(namespace: string, name: string): ServiceAccount | undefined
  pod(namespace: string, name: string): Pod | undefined
  /** Replaces a pod of the same name, as when a StatefulSet makes it anew with another uid. */
  addPod(pod: Pod): void
  removePod(namespace: string, name: string): void
  removeServiceAccount(namespace: string, name: string): void
}

export function createInventory(serviceAccounts: readonly ServiceAccount[], pods: readonly Pod[]): Inventory {
  const key = (namespace: string, name: string) => `${namespace}/${name}`
  const byName = <Named extends { namespace: string; name: string }>(items: readonly Named[]) =>
    new Map(items.map(item => [key(item.namespace, item.name), item]))
  const accounts = byName(serviceAccounts)
  const running = byName(pods)
  return {
    serviceAccount: (namespace, name) => accounts.get(key(namespace, name)),
    pod: (namespace, name) => running.get(key(namespace, name)),
    addPod: pod => running.set(key(pod.namespace, pod.name), pod),
    removePod: (namespace, name) => running.delete(key(namespace, name)),
    removeServiceAccount: (namespace, name) => accounts.delete(key(namespace, name)),
  }
}
