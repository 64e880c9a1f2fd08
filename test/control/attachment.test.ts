/** What a guest is told: the words for QEMU, and XML that libvirt's own schemas accept. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { attachment } from '../../src/control/attachment.ts'
import type { NetworkConfiguration, PortConfiguration } from '../../src/control/configuration.ts'
import { check } from '../../src/control/file.ts'
import { Network, Port } from '../../src/control/schema.ts'
import { cleanup } from '../lab/cleanup.ts'
import { must } from '../lab/command.ts'
import { folder } from '../lab/folder.ts'
import { suite } from '../lab/peer.ts'

const mac = '52:54:00:00:00:01'

function plan(keys: object, mtu = 1500, name = 'vm1'): [PortConfiguration, NetworkConfiguration] {
  const input = Port.parse({ network: 'lan', ...keys })
  const { networks, ports } = check({
    settings: {},
    networks: new Map([['lan', { input: Network.parse({ mode: 'internal', mtu }), origin: 'file' }]]),
    ports: new Map([[name, { input, origin: 'file' }]]),
  })
  return [ports.get(name), networks.get('lan')] as [PortConfiguration, NetworkConfiguration]
}

const words = (keys: object, mtu?: number) => attachment(...plan(keys, mtu)).qemu.join(' ')
const card = `-device virtio-net-pci,netdev=net-vm1,mac=${mac}`

describe("QEMU's words", () => {
  it.each([
    [
      { type: 'qemu-tap', ifname: 'tap7', mac },
      `-netdev tap,id=net-vm1,ifname=tap7,script=no,downscript=no ${card}`,
    ],
    [
      { type: 'qemu-tap', queues: 2, mac },
      `-netdev tap,id=net-vm1,ifname=vm1,script=no,downscript=no,queues=2 ${card},mq=on,vectors=6`,
    ],
    [
      { type: 'vhost-user', mac },
      '-m 1G -object memory-backend-memfd,id=mem,size=1G,share=on -machine memory-backend=mem ' +
        `-chardev socket,id=chr-vm1,path=/run/bridgeport/vm1.sock,reconnect=1 -netdev vhost-user,id=net-vm1,chardev=chr-vm1 ${card}`,
    ],
    [
      { type: 'vhost-user', role: 'client', path: '/a,b', queues: 4, mtu: 1400, mac },
      '-m 1G -object memory-backend-memfd,id=mem,size=1G,share=on -machine memory-backend=mem ' +
        '-chardev socket,id=chr-vm1,path=/a,,b,server=on,wait=off -netdev vhost-user,id=net-vm1,chardev=chr-vm1,queues=4 ' +
        `${card},mq=on,vectors=10,host_mtu=1400`,
    ],
    [
      { type: 'stream', mac },
      `-netdev stream,id=net-vm1,server=off,addr.type=unix,addr.path=/run/bridgeport/vm1.sock ${card}`,
    ],
    [
      { type: 'stream', role: 'client', path: '/s', mac },
      `-netdev stream,id=net-vm1,server=on,addr.type=unix,addr.path=/s ${card}`,
    ],
    [
      { type: 'dgram', mac },
      '-netdev dgram,id=net-vm1,local.type=unix,local.path=/run/bridgeport/vm1-qemu.sock,' +
        `remote.type=unix,remote.path=/run/bridgeport/vm1.sock ${card}`,
    ],
  ])('%j', (keys, text) => expect(words(keys)).toBe(text))

  it("the network's MTU is the card's, Ethernet's goes without saying", () => {
    expect(words({ type: 'stream' }, 9000)).toContain(',host_mtu=9000')
    expect(words({ type: 'stream', mtu: 1500 }, 9000)).not.toContain('host_mtu')
  })

  it('a guest without a written MAC has one of its own, always the same', () => {
    const own = (name: string) =>
      / ?mac=([^,]*)/.exec(attachment(...plan({ type: 'stream' }, 1500, name)).qemu.join(' '))?.[1]
    expect(own('vm1')).toMatch(/^02(:[0-9a-f]{2}){5}$/)
    expect(own('vm1')).toBe(own('vm1'))
    expect(own('vm1')).not.toBe(own('vm2'))
  })

  it("the guest's memory stands in two places", () => {
    const text = attachment(...plan({ type: 'vhost-user' }), '512M').qemu.join(' ')
    expect(text).toContain('-m 512M -object memory-backend-memfd,id=mem,size=512M,share=on')
  })

  it.each(['tap', 'nic'])('no guest is plugged into a %s', (type) => {
    const keys = type === 'nic' ? { type, device: 'eth9' } : { type }
    expect(() => attachment(...plan(keys))).toThrow(
      `port vm1: no guest is plugged into a ${type}; add one of type qemu-tap, vhost-user, stream or dgram`,
    )
  })
})

suite("libvirt's XML", ['virt-xml-validate', 'xmllint'], () => {
  afterEach(cleanup)
  const memory = "<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>"

  /** A domain with what was printed where the note in it says. */
  function domain(printed: string): string {
    const isDevice = printed.includes('<interface')
    return [
      "<domain type='qemu'><name>a</name><memory unit='GiB'>1</memory>",
      printed.includes(memory) ? memory : '',
      "<os><type arch='x86_64' machine='q35'>hvm</type></os>",
      `<devices>${isDevice ? printed : ''}</devices>${isDevice ? '' : printed}</domain>`,
    ].join('\n')
  }

  it.each([
    [{ type: 'qemu-tap', queues: 2, mac }, /<target dev='vm1' managed='no'\/>/],
    [{ type: 'vhost-user', mac }, /mode='client'>\s*<reconnect enabled='yes'/],
    [{ type: 'vhost-user', role: 'client', queues: 3, mtu: 1400, path: '/a<&\'"', mac }, /mode='server'\/>/],
    [{ type: 'stream', mac, path: '/a&b' }, /<qemu:arg value='stream,.*addr\.path=\/a&amp;b'\/>/],
    [{ type: 'dgram', mac }, /<qemu:arg value='dgram,/],
  ])('%j', async (keys, pattern) => {
    const { libvirt } = attachment(...plan(keys))
    expect(libvirt).toMatch(pattern)
    const path = join(folder('libvirt'), 'domain.xml')
    writeFileSync(path, domain(libvirt))
    await must(['virt-xml-validate', path, 'domain'])
    writeFileSync(
      path,
      domain(libvirt.replace('<interface type', '<interface kind').replaceAll('qemu:arg', 'qemu:word')),
    )
    await expect(must(['virt-xml-validate', path, 'domain'])).rejects.toThrow('fails to validate')
  })
})
