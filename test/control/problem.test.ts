/** How mistakes of a request are told where a schema has no words of its own. */
import { expect, it } from 'vitest'
import { expected, pathText, problems } from '../../src/control/problem.ts'
import { routes } from '../../src/control/routes.ts'

it.each([
  ['/v1/live', { foo: '1' }, 'foo: unknown key, expected one of interval, flows'],
  ['/v1/live', { flows: '101' }, 'flows: found "101", expected an integer from 0 to 100'],
  ['/v1/capture', { port: ['a', 'b'] }, 'port: found a list, expected a text'],
  [
    '/v1/capture',
    { filter: 'x'.repeat(8193) },
    `filter: found "${'x'.repeat(76)}…, expected at most 8192 characters`,
  ],
])('GET %s with %j', (path, query, line) => {
  const route = routes.find((each) => each.method === 'GET' && each.path === path)
  const issues = route?.query?.safeParse(query, { error: expected }).error?.issues ?? []
  expect(problems(issues, query).map((each) => `${pathText(each.path)}: ${each.text}`)).toEqual([line])
})
