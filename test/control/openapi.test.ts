/** docs/openapi.json is what the daemon describes itself with; `npx vitest run test/control/openapi.test.ts -u` writes it anew. */
import { Ajv2020 } from 'ajv/dist/2020.js'
import { expect, it } from 'vitest'
import { document } from '../../src/control/openapi.ts'
import { routes } from '../../src/control/routes.ts'

interface Description {
  openapi: string
  paths: Record<
    string,
    Record<
      string,
      { responses: Record<string, object>; requestBody?: { content: Record<string, { schema: object }> } }
    >
  >
}
const description = document() as Description

it('is the committed description', async () => {
  await expect(`${JSON.stringify(description, null, 2)}\n`).toMatchFileSnapshot('../../docs/openapi.json')
})

it('has every route', () => {
  expect(description.openapi).toBe('3.1.0')
  for (const { path, method } of routes) {
    const { responses } = description.paths[path][method.toLowerCase()]
    expect('200' in responses, path).toBe(true)
  }
  const nouns = 'status networks ports macs neighbours leases publish conntrack rules sets capture why'
  for (const noun of nouns.split(' ')) expect(Object.keys(description.paths)).toContain(`/v1/${noun}`)
})

it('its schemas compile, and accept and refuse as the daemon does', () => {
  const { schema } = (
    description.paths['/v1/ports'].post.requestBody as { content: Record<string, { schema: object }> }
  ).content['application/json']
  const validate = new Ajv2020({ strict: false }).compile(schema)
  expect(validate({ name: 'a', network: 'lan', type: 'tap', queues: 2 })).toBe(true)
  expect(validate({ name: 'a', network: 'lan', type: 'tap', queues: 99 })).toBe(false)
  expect(validate({ name: 'a', network: 'lan', type: 'tap', colour: 'red' })).toBe(false)
  expect(validate({ name: 'a', network: 'lan', type: 'cable' })).toBe(false)
  expect(validate({ network: 'lan', type: 'tap' })).toBe(false)
})
