/** What a STUN client (coturn's, by RFC 5780) finds out about the NAT in its way: what the configuration says. */
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { cleanup } from '../lab/cleanup.ts'
import { says } from '../lab/command.ts'
import { folder } from '../lab/folder.ts'
import { type Outdoors, outdoors, WORLD } from '../lab/outdoors.ts'
import { suite } from '../lab/peer.ts'

suite('a STUN client behind the gateway', ['turnserver', 'turnutils_natdiscovery'], () => {
  let scene: Outdoors

  beforeAll(async () => {
    scene = await outdoors()
    const place = folder('turn')
    const silent = ['--no-cli', '--no-tls', '--no-dtls', '--no-tcp', '--log-file', 'stdout', '--simple-log']
    const files = ['--pidfile', join(place, 'pid'), '--db', join(place, 'db')]
    const server = scene.world.spawn(
      ...['turnserver', '--stun-only', '-n', '-L', WORLD, '-L', '192.0.2.2', ...silent, ...files],
    )
    await says(server, /Total General servers/)
  })
  afterAll(cleanup)

  const finds = async () => {
    const said = await scene.guests[0].attempt(['turnutils_natdiscovery', '-m', '-f', WORLD])
    return [...said.stdout.matchAll(/^NAT with (.*)!$/gm)].map(([, name]) => name)
  }

  it('finds one mapping for all, and a filter by address and port', async () => {
    expect(await finds()).toEqual(['Endpoint Independent Mapping', 'Address and Port Dependent Filtering'])
  })

  it.each([
    ['endpoint-independent', 'endpoint-independent', 'Endpoint Independent'],
    ['address-dependent', 'address-dependent', 'Address Dependent'],
    ['address-and-port-dependent', 'address-and-port-dependent', 'Address and Port Dependent'],
  ])('finds %s mapping where it is asked for', async (mapping, filtering, found) => {
    await scene.daemon.reload(scene.with({ nat: { mapping, filtering } }))
    expect(await finds()).toEqual([`${found} Mapping`, `${found} Filtering`])
  })
})
