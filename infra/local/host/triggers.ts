import type { RegisteredFunction } from './core-module.ts'
import type { Binding } from './programming-model.ts'

/** A function with the binding that starts it. */
export interface Trigger {
  readonly called: RegisteredFunction
  readonly name: string
  readonly binding: Binding
}

const served = ['httpTrigger', 'timerTrigger'] as const

/** The functions that a trigger of `type` starts. Throws for a function that this host could never run. */
export function triggersOf(functions: Iterable<RegisteredFunction>, type: (typeof served)[number]): readonly Trigger[] {
  return Array.from(functions, findTrigger).filter(trigger => trigger.binding.type === type)
}

function findTrigger(called: RegisteredFunction): Trigger {
  const trigger = Object.entries(called.metadata.bindings).find(([, binding]) => binding.type?.endsWith('Trigger'))
  if (!trigger || !served.some(type => type === trigger[1].type)) {
    throw new Error(`function ${called.metadata.name}: the local host runs only HTTP and timer triggers`)
  }
  return { called, name: trigger[0], binding: trigger[1] }
}
