/** The form of what is added at run time, by command line and API. */
import * as z from 'zod'
import { mapping } from './form.ts'
import { mac, Name, Network, Port, Publish } from './schema.ts'

/** A static MAC address. */
export const Mac = mapping({ network: Name, mac, port: z.string('the name of a port').max(64) })

/** A port published at run time: in the network of its guest unless one is named; `port`: it lives as long as that `run` port. */
export const NewPublish = mapping({
  publish: Publish,
  network: Name.optional(),
  port: z.string('the name of a port').max(64).optional(),
})

/** What CLI and API added: <state>/runtime.yaml. */
export const Runtime = mapping({
  networks: z.record(Name, Network, 'a mapping of names to networks').optional(),
  ports: z.record(Name, Port, 'a mapping of names to ports').optional(),
  macs: z.array(Mac, 'a list of static MAC addresses').optional(),
  publish: z.array(mapping({ network: Name, publish: Publish }), 'a list of published ports').optional(),
  // Which process a port's pid:N meant: after a restart the number may be another's.
  processes: z.record(Name, z.string('the birth of a process'), 'a mapping of ports to processes').optional(),
})
export type RuntimeInput = z.infer<typeof Runtime>
