import { app, type HttpRequest, type HttpResponseInit, type InvocationContext } from '@azure/functions'
import type { ManageGateway } from '../../shared/gateway.ts'
import { everyMethod } from '../answer.ts'
import { problem } from './problem.ts'

/** One request to `/manage`. */
export interface Asked {
  readonly request: HttpRequest
  readonly context: InvocationContext
  readonly manage: ManageGateway
}

export type Answering = Promise<HttpResponseInit> | HttpResponseInit

/** Registers functions of `/manage`: whatever the method, so that a wrong one is told which is right. */
export function managedRoutes(manage: ManageGateway) {
  return (name: string, route: string, answer: (asked: Asked) => Answering): void =>
    app.http(name, {
      route,
      methods: [...everyMethod],
      authLevel: 'anonymous',
      handler: (request, context) => answer({ request, context, manage }),
    })
}

/** What is below `/manage` and no route of it: the Functions host takes every other route first. */
export function registerUnknownRoute(): void {
  app.http('unknown-route', {
    route: 'manage/{*path}',
    methods: [...everyMethod],
    authLevel: 'anonymous',
    handler: () => problem(404, { detail: 'there is no such route: GET /openapi.json tells those that there are' }),
  })
}
