import { existsSync, readSync, writeSync } from 'node:fs'
import { afterAll, expect, it } from 'vitest'
import { type DeviceOptions, native } from '../../src/memory/native.ts'
import { cleanup, defer } from '../lab/cleanup.ts'
import { eventually, mustSync } from '../lab/command.ts'
import { Namespace } from '../lab/namespace.ts'
import { suite } from '../lab/peer.ts'
import { probe, start } from './probe.ts'

/** TUN_F_CSUM | TSO4 | TSO6 | TSO_ECN: what every supported kernel grants. */
const segmentation = 0x0f

/** Unique on the machine, in case a test has to use the machine's own namespace. */
const ownName = `bt${process.pid}`

function options(netns: string, more: Partial<DeviceOptions> = {}): DeviceOptions {
  const plain = { kind: 'tap', ifname: 'eth0', netns, queues: 1, offload: true, persist: false } as const
  return { ...plain, owner: -1, alias: 'bridgeport:test:eth0', ...more }
}

function open(choices: DeviceOptions) {
  const device = native.deviceOpen(choices)
  for (const fd of device.fds) defer(() => native.descriptorClose(fd))
  return device
}

/** What a read gives: the length, or the code of the error. Node has no name for EBADFD, 77. */
function receive(fd: number, frame: Buffer = Buffer.alloc(70_000)): number | string {
  try {
    return readSync(fd, frame)
  } catch (error) {
    const { code, errno } = error as NodeJS.ErrnoException
    return errno === -77 ? 'EBADFD' : String(code)
  }
}

suite('device', ['setpriv'], () => {
  afterAll(cleanup)

  it('makes a TAP in a namespace under its final name, and nothing outside', () => {
    const inside = new Namespace('dev')
    const before = native.linkList('').length
    const device = open(options(inside.path))
    expect(device.fds).toHaveLength(1)
    expect(device.offloads & segmentation).toBe(segmentation)
    const link = native.linkGet(inside.path, 'eth0')
    expect(link).toMatchObject({
      ifindex: device.ifindex,
      alias: 'bridgeport:test:eth0',
      kind: 'tun',
      up: false,
    })
    expect(inside.interfaces()).toEqual(['eth0'])
    expect(native.linkList('').length).toBe(before)
  })

  it('takes frames while its interface is up', async () => {
    const inside = new Namespace('dev')
    const [fd = -1] = open(options(inside.path)).fds
    const takes = (command: string) => {
      mustSync(...inside.argv('sh', '-c', command))
      return native.descriptorTakes(fd)
    }
    expect(native.descriptorTakes(fd)).toBe(false)
    expect(takes('ip link set eth0 up')).toBe(true)
    expect(takes('ip link set eth0 down')).toBe(false)
    expect(takes('ip link set eth0 up; ip link del eth0')).toBe(false)
  })

  it('carries a frame both ways behind ten bytes of vnet header', async () => {
    const inside = new Namespace('dev')
    const [fd = -1] = open(options(inside.path)).fds
    native.linkSet({ netns: inside.path, ifname: 'eth0', ipv6: false, address: '192.0.2.1/24', up: true })
    // ARP: who has 192.0.2.1, tell 192.0.2.2
    const request = 'ffffffffffff5254000000aa08060001080006040001 5254000000aa c0000202 000000000000 c0000201'
    writeSync(fd, Buffer.concat([Buffer.alloc(10), Buffer.from(request.replaceAll(' ', ''), 'hex')]))
    const answer = Buffer.alloc(2000)
    await eventually('an ARP answer', () => receive(fd, answer) === 10 + 42)
    expect(answer.toString('hex', 10, 16)).toBe('5254000000aa')
    expect(answer.toString('hex', 22, 32)).toBe('08060001080006040002')
  })

  it('opens as many queues as asked', () => {
    const inside = new Namespace('dev')
    expect(open(options(inside.path, { queues: 4 })).fds).toHaveLength(4)
  })

  it('makes a TUN, and grants no offload where none is wanted', () => {
    const inside = new Namespace('dev')
    const device = open(options(inside.path, { kind: 'tun', offload: false }))
    expect(device.offloads).toBe(0)
    expect(native.linkGet(inside.path, 'eth0')?.mac).toBe('')
  })

  it('leaves a persistent device with its owner and no descriptor', async () => {
    const inside = new Namespace('dev')
    const device = native.deviceOpen(options(inside.path, { persist: true, owner: 65534 }))
    expect(device.fds).toEqual([])
    const [link] = JSON.parse(await inside.exec(['ip', '-j', '-d', 'link', 'show', 'eth0']))
    expect(link.linkinfo.info_data).toMatchObject({
      type: 'tap',
      persist: true,
      vnet_hdr: true,
      user: 'nobody',
    })
    expect(native.linkDelete(inside.path, 'eth0')).toBe(true)
  })

  it('goes with its namespace and says so on the descriptor', async () => {
    const holder = await start('', ['unshare', '--net'])
    const netns = `/proc/${holder.pid}/ns/net`
    const [fd = -1] = open(options(netns)).fds
    native.linkSet({ netns, ifname: 'eth0', ipv6: false, up: true })
    expect(receive(fd)).toBe('EAGAIN')
    holder.kill('SIGKILL')
    await eventually('the descriptor reports its end', () => receive(fd) === 'EBADFD', 5000)
    expect(native.namespaceExists(netns)).toBe(false)
  })

  it('refuses a name in use with EEXIST and leaves nothing behind', () => {
    const inside = new Namespace('dev')
    open(options(inside.path))
    const before = native.linkList('').length
    expect(() => open(options(inside.path))).toThrow(/EEXIST/)
    expect(inside.interfaces()).toEqual(['eth0'])
    expect(native.linkList('').length).toBe(before)

    open(options('', { ifname: ownName }))
    const failure = { code: 'EEXIST', syscall: 'TUNSETIFF', interface: ownName }
    expect(() => open(options('', { ifname: ownName }))).toThrow(expect.objectContaining(failure))
    expect(() => open(options('', { ifname: 'lo' }))).toThrow(expect.objectContaining({ code: 'EEXIST' }))
  })

  it.each(['', 'sixteen-letters-', 'a/b', 'a b', 'tap%d', '..'])(
    'refuses the name "%s" with EINVAL',
    (ifname) => {
      const failure = { code: 'EINVAL', syscall: 'TUNSETIFF', interface: ifname }
      expect(() => open(options('', { ifname }))).toThrow(expect.objectContaining(failure))
    },
  )

  it('refuses a namespace that is gone or none, and numbers of queues the kernel lacks', () => {
    const gone = { code: 'ENOENT', syscall: 'open', path: '/run/netns/no-such-namespace' }
    expect(() => open(options('/run/netns/no-such-namespace'))).toThrow(expect.objectContaining(gone))
    const none = { code: 'EINVAL', path: '/etc/hostname' }
    expect(() => open(options('/etc/hostname'))).toThrow(expect.objectContaining(none))
    for (const queues of [0, 257]) expect(() => open(options('', { queues }))).toThrow(/EINVAL/)
  })

  it('passes on a missing right and a missing /dev/net/tun', async () => {
    const call = `return attempt(() => native.deviceOpen(${JSON.stringify(options('', { ifname: `${ownName}x` }))}))`
    const bare = await probe(call, ['setpriv', '--bounding-set=-net_admin'])
    expect(bare).toEqual(['EPERM', 'TUNSETIFF', `${ownName}x`])
    const hidden = await probe(call, [
      'unshare',
      '-m',
      'sh',
      '-c',
      'mount -t tmpfs none /dev/net && exec "$@"',
      'sh',
    ])
    expect(hidden).toEqual(['ENOENT', 'open', '/dev/net/tun'])
    expect(existsSync('/dev/net/tun')).toBe(true)
  })
})
