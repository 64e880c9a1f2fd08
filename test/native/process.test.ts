import { execFileSync } from 'node:child_process'
import { existsSync, openSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { native } from '../../src/memory/native.ts'
import { attempt } from '../lab/command.ts'
import { suite } from '../lab/peer.ts'

describe('process', () => {
  it('says nothing to no service manager, and names one that does not listen', () => {
    expect(native.systemdNotify('', 'READY=1')).toBe(false)
    const failure = { code: 'ENOENT', syscall: 'sendto', path: '/nowhere/notify' }
    expect(() => native.systemdNotify('/nowhere/notify', 'READY=1')).toThrow(expect.objectContaining(failure))
    const long = `/${'x'.repeat(200)}`
    expect(() => native.systemdNotify(long, 'READY=1')).toThrow(/ENAMETOOLONG/)
  })

  it('looks up users', () => {
    expect(native.userId('root')).toBe(0)
    expect(native.userId('nobody')).toBe(Number(execFileSync('id', ['-u', 'nobody'])))
    expect(() => native.userId('no-such-user')).toThrow(/getpwnam no-such-user: ENOENT/)
  })

  it('closes a descriptor once', () => {
    const fd = openSync('/dev/null', 'r')
    native.descriptorClose(fd)
    expect(() => native.descriptorClose(-1)).toThrow(/close: EBADF/)
  })

  it('closes many descriptors, also beside one that is none', () => {
    const many = () => Array.from({ length: 100 }, () => openSync('/dev/null', 'r'))
    const left = (fds: number[]) => fds.filter((fd) => existsSync(`/proc/self/fd/${fd}`))
    const [whole, broken] = [many(), many()]
    native.descriptorsClose(whole)
    expect(left(whole)).toEqual([])
    expect(() => native.descriptorsClose([-1, ...broken])).toThrow(/close: EBADF/)
    expect(left(broken)).toEqual([])
    native.descriptorsClose([])
  })
})

// Node has no datagram sockets of the unix kind: python3 plays the service manager.
suite('process with a service manager', ['python3'], () => {
  it('reaches a listening service manager, by abstract name', async () => {
    const name = `@bridgeport-test-${process.pid}`
    const listen = `import socket,sys
s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM);s.bind("\\0"+sys.argv[1][1:]);s.settimeout(10)
print("bound",flush=True);print(s.recv(100).decode())`
    const heard = attempt(['python3', '-c', listen, name])
    let sent = false
    for (let round = 0; !sent && round < 200; round++) {
      await new Promise((resolve) => setTimeout(resolve, 25))
      try {
        sent = native.systemdNotify(name, 'READY=1')
      } catch (error) {
        expect(error).toMatchObject({ code: 'ECONNREFUSED', path: name })
      }
    }
    expect((await heard).stdout).toBe('bound\nREADY=1\n')
  })
})
