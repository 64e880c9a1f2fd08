/** Every cell of the table of modes, both ways, with kernels on both sides; docs/modes.md says what came out. */
import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cleanup } from '../lab/cleanup.ts'
import { eventually, says } from '../lab/command.ts'
import { suite } from '../lab/peer.ts'
import { between } from './mode/border.ts'
import { columns } from './mode/cell.ts'
import { gateway, guest, HOST, plots, WORLD } from './mode/plan.ts'
import { expected, prove } from './mode/proof.ts'
import { rows } from './mode/row.ts'
import { Station, serving } from './mode/station.ts'
import { markdown } from './mode/table.ts'
import { Town } from './mode/town.ts'

const path = new URL('../../docs/modes.md', import.meta.url)
const chapters = [between]
/** Connects and prints what is said. */
const calling = (address: string, port: number) => [
  'bash',
  '-c',
  `exec 3<>/dev/tcp/${address}/${port} && cat <&3`,
]

suite('the modes', ['bash', 'tcpdump', 'curl', 'nft'], () => {
  let town: Town
  beforeAll(async () => {
    town = await Town.build()
  })
  afterAll(cleanup)

  describe.each(rows)('$plot.title', ({ plot, cells }) => {
    beforeAll(() => town.enter(plot))
    afterAll(() => town.leave())
    for (const column of columns) {
      const { says, proofs } = cells[column]
      it.each(proofs)(`${column}: ${says}; $way`, async (proof) => {
        expect(await prove(town, proof)).toEqual(expected(proof))
      })
    }
  })

  describe.each(chapters)('$title', ({ proofs }) => {
    it.each(proofs)('$way', async (proof) => {
      expect(await prove(town, proof)).toEqual(expected(proof))
    })
  })

  describe('a process has Docker’s four networks', () => {
    const asks = (port: number) => town.station('outside').connect(HOST, port, 8)

    it('host: it is reached at the host’s own ports, and has the host’s address outside', async () => {
      const { end } = await town.run(['--network', 'host'], serving('own', 7900, 7900))
      expect(await asks(7900)).toBe(`own ${WORLD}`)
      await end()
      expect(await asks(7900)).toBe('Connection refused')
      const seen = await town.daemon.cli('run', '--network', 'host', '--', ...calling(WORLD, 7399))
      expect(seen).toBe(`outside ${HOST}\n`)
    })

    it('none: it has itself and nobody else', async () => {
      const { pid, end } = await town.run(['--network', 'none'], serving('alone', 7901, 7901))
      const alone = await Station.open('alone', `/proc/${pid}/ns/net`)
      expect(await alone.exec('ip', '-br', 'link')).toMatch(/^lo +UNKNOWN .*\n$/)
      expect(await alone.connect('127.0.0.1', 7901, 8)).toBe('alone 127.0.0.1')
      for (const address of [WORLD, HOST, gateway(1), guest(1)])
        expect([await alone.connect(address, 7399, 1), await alone.ping(address, 50, 1)]).toEqual([
          'Network is unreachable',
          expect.stringContaining('Network is unreachable'),
        ])
      await end()
    })

    it('container:PID: it is where that process is, with its address and its published ports', async () => {
      const { pid } = town.station('nat').spawn('sleep', '100')
      const network = `container:${pid}`
      const { end } = await town.run(['--network', network], serving('joined', 7902, 7902))
      await town.daemon.cli('publish', 'add', `tcp::8902-${guest(1)}:7902`)
      expect(await asks(8902)).toBe(`joined ${gateway(1)}`)
      const seen = await town.daemon.cli('run', '--network', network, '--', ...calling(guest(8), 7399))
      expect(seen).toBe(`open ${guest(1)}\n`)
      await end()
      await town.daemon.cli('publish', 'rm', `tcp::8902-${guest(1)}:7902`)
      expect(await asks(8902)).toBe('Connection refused')
    })

    it.each(['nat', 'solo'])(
      '%s: it is reached from outside where it is published, while it lives',
      async (network) => {
        const options = ['--network', network, '--publish', '8903:7903', '--publish', '127.0.0.1:8904:7903']
        const { end } = await town.run(options, serving('shop', 7903, 7903))
        expect(await asks(8903)).toMatch(/^shop 10\.[12]\.0\.1$/)
        expect(await asks(8904)).toBe('Connection refused')
        expect(await town.station('host').connect('127.0.0.1', 8904, 8)).toMatch(/^shop /)
        await end()
        expect(await asks(8903)).toBe('Connection refused')
      },
    )

    it('a published UDP port does not join guests of an isolated network either', async () => {
      const serve = `require('dgram').createSocket('udp4').on('message', (m, p) => console.log('from ' + p.address)).bind(7904, () => console.log('pid ' + process.pid + '\\nready'))`
      let said = ''
      const child = town.station('solo').spawn(process.execPath, '-e', serve)
      child.stdout?.on('data', (text) => {
        said += text
      })
      await says(child, /ready/)
      const mapping = `udp::8905-${guest(2)}:7904`
      await town.daemon.cli('publish', 'add', mapping)
      await town.enter(plots.solo)
      const send = ['bash', '-c', `echo x > /dev/udp/${HOST}/8905`]
      await town.station('solo-p').exec(...send)
      // What is sent after it arrives, and it has not.
      await town.station('outside').exec(...send)
      await eventually('the datagram from outside', () => said.includes('from'))
      expect(said.match(/from .*/g)).toEqual([`from ${gateway(2)}`])
      await town.leave()
      await town.daemon.cli('publish', 'rm', mapping)
    })
  })

  it('what keeps the host from forwarding to a host-only network is in nobody’s way, comes back, and goes', async () => {
    const ruleset = () => town.station('host').exec('nft', 'list', 'ruleset')
    const isClosed = async () => /oifname "bp-lab" drop/.test(await ruleset())
    expect([await isClosed(), town.daemon.output]).toEqual([true, expect.not.stringContaining('drops what')])
    await town.station('host').exec('nft', 'flush', 'ruleset')
    await eventually('the chain is back', isClosed)
    await town.daemon.stop('SIGKILL')
    await eventually('no rule is left', async () => (await ruleset()) === '', 5000)
  })
})

it('the modes are written down in docs/modes.md', () => {
  const text = markdown(rows, chapters)
  const present = readFileSync(path, { encoding: 'utf8', flag: 'a+' })
  if (present !== text) writeFileSync(path, text)
  expect(present, 'docs/modes.md was out of date and is written anew: commit it').toBe(text)
})
