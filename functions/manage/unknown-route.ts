import { app } from '@azure/functions'
import { everyMethod } from '../answer.ts'
import { problem } from './problem.ts'

/** What is below `/manage` and no route of it: the Functions host takes every other route first. */
export function registerUnknownRoute(): void {
  app.http('unknown-route', {
    route: 'manage/{*path}',
    methods: [...everyMethod],
    authLevel: 'anonymous',
    handler: () => problem(404, { detail: 'there is no such route: GET /openapi.json tells those that there are' }),
  })
}
