import { app, type HttpResponseInit } from '@azure/functions'
import { v7 as uuid } from 'uuid'
import { everyMethod } from './answer.ts'
import { methodNotAllowed } from './oauth-error.ts'

/** Registers what anybody may read: GET, and HEAD as every server has it. Other methods are told so (405, `Allow`). */
export function registerReadOnly(name: string, route: string, answer: () => Promise<HttpResponseInit>): void {
  app.http(name, {
    route,
    methods: [...everyMethod],
    authLevel: 'anonymous',
    handler: async ({ method }) => {
      return method === 'GET' || method === 'HEAD' ? answer() : methodNotAllowed('GET, HEAD', uuid())
    },
  })
}
