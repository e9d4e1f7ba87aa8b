import { app } from '@azure/functions'

// What every exchange is compared with: a function that looks at nothing and answers the least.
app.setup({ enableHttpStream: false })
app.http('noop', {
  route: 'noop',
  methods: ['POST'],
  authLevel: 'anonymous',
  handler: async () => ({ status: 200, headers: { 'content-type': 'application/json' }, body: '{}' }),
})
