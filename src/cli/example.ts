/**
 * Command lines that show each command at work: `--help` prints them, and the manual page has them.
 *
 * A command that only has others below it shows theirs.
 */
import type { Command } from 'commander'

/** By the command's name without the program's; lines likewise. */
const lines: Record<string, readonly string[]> = {
  '': ['up --detach', 'status', 'run --network default -- ping -c 3 10.0.2.2'],
  up: ['up --detach', 'up -c lab.yaml'],
  down: ['down'],
  reload: ['reload'],
  status: ['status', 'status --json'],
  doctor: ['doctor', 'doctor -c lab.yaml'],
  'network ls': ['network ls'],
  'network add': [
    'network add lab',
    'network add office --mode nat --subnet 10.0.4.0/24 --dhcp-range 10.0.4.100-10.0.4.199',
  ],
  'network rm': ['network rm lab'],
  'port ls': ['port ls --json'],
  'port add': [
    'port add vm1 --network default --type vhost-user --owner libvirt-qemu --format libvirt',
    'port add vm2 --network default --type qemu-tap --ifname vm2',
    'port add web --network default --type tap --netns pid:4711 --address dhcp',
  ],
  'port args': ['port args vm1 --memory 2G', 'port args vm1 --format libvirt'],
  'port rm': ['port rm vm1'],
  run: [
    'run --network default -- ping -c 3 10.0.2.2',
    'run --network default --name page --publish 8080:80 -- python3 -m http.server 80',
    'run --network container:4711 -- ip address',
  ],
  'mac ls': ['mac ls --network default'],
  'mac add': ['mac add 52:54:00:12:34:56 --network default --port vm1'],
  'mac rm': ['mac rm 52:54:00:12:34:56 --network default'],
  'mac flush': ['mac flush --port vm1'],
  'neigh ls': ['neigh ls --network default-uplink'],
  'neigh flush': ['neigh flush'],
  'lease ls': ['lease ls --network default'],
  'lease rm': ['lease rm 10.0.2.15'],
  'publish ls': ['publish ls'],
  'publish add': [
    'publish add tcp:127.0.0.1:8080-10.0.2.15:80',
    'publish add udp::8000-8010-10.0.2.15:8000-8010',
  ],
  'publish rm': ['publish rm tcp:127.0.0.1:8080-10.0.2.15:80'],
  'conntrack ls': [
    'conntrack ls --protocol tcp --source 10.0.2.15',
    "conntrack ls --search '10.0.2.0/24 443 established'",
  ],
  'conntrack flush': ['conntrack flush --source 10.0.2.15'],
  'set ls': ['set ls blocked'],
  'set add': ['set add blocked 198.51.100.7 timeout 600'],
  'set del': ['set del blocked 198.51.100.7 --exist'],
  'set test': ['set test blocked 198.51.100.7'],
  'set save': ['set save > sets.save'],
  'set restore': ['set restore sets.save'],
  'set create': ['set create blocked hash:ip timeout 600'],
  'set destroy': ['set destroy blocked'],
  'set flush': ['set flush blocked'],
  why: ["why 'tcp 10.0.2.15:40000 > 198.51.100.1:443'", "why 'icmp 10.0.2.15 > 10.0.2.16' --port vm1 --all"],
  top: ['top', 'top --once --json'],
  capture: [
    'capture vm1 -w vm1.pcapng',
    'capture default tcp port 443 | tshark -i -',
    'capture --drops -c 100 | tcpdump -nr -',
  ],
  'rules save': ['rules save --counters > rules.v4'],
  'rules restore': ['rules restore rules.v4', 'iptables-save | bridgeport rules restore'],
  'rules check': ['rules check rules.v4'],
  'rules log': ['rules log --follow'],
}

/** What a shell is told to run a command without the program's name in it. */
function whole(line: string): string {
  return line.includes('bridgeport ') ? line : `bridgeport ${line}`
}

/** A command's name below the program, such as `port add`. */
export function pathOf(command: Command): string {
  const above = command.parent
  return above === null ? '' : `${pathOf(above)} ${command.name()}`.trimStart()
}

/** Examples of a command, or of those below it. */
export function examples(command: Command): string[] {
  const own = lines[pathOf(command)]
  if (own !== undefined) return own.map(whole)
  return command.commands.flatMap((below) => examples(below).slice(0, 1))
}

/** Has `--help` show a command's examples. */
export function exemplify(command: Command): void {
  const shown = () => examples(command).map((line) => `  ${line}\n`)
  command.addHelpText('after', () => `\nExamples:\n${shown().join('')}`.trimEnd())
}
