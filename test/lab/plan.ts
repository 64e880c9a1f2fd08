/** Pieces of configurations: one network `lan`, 10.7.0.0/24, whose host interface is 10.7.0.1. */
import type { Namespace } from './namespace.ts'

export const lan = { mode: 'host-only', subnet: '10.7.0.0/24', gateway: '10.7.0.1' }
export const hostAddress = '10.7.0.1'
export const hostInterface = 'bp-lan'

/** Address of the port with this number, without and with its prefix. */
export function address(number: number): string {
  return `10.7.0.${number}`
}

/** A tap in a namespace, with the address of its number, as eth0. */
export function tap(namespace: Namespace, number: number, more: object = {}): object {
  const device = { network: 'lan', type: 'tap', netns: namespace.name, ifname: 'eth0' }
  return { ...device, mac: mac(number), address: `${address(number)}/24`, ...more }
}

/** A locally administered MAC for a number. */
export function mac(number: number): string {
  return `02:00:00:00:07:${number.toString(16).padStart(2, '0')}`
}

/** IEEE 802's ethertype for local experiments: no stack answers or sends it by itself. */
export const experimental = 0x88b5
export const broadcast = 'ff:ff:ff:ff:ff:ff'
