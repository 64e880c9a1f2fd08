/** The form of the key flowLog. */
import { integer, mapping, off, text } from '../form.ts'
import { listen } from '../quantity.ts'

const collector = text(
  'an address or a name with a port such as 192.0.2.9:4739 or "[2001:db8::9]:4739"',
  (value) => (listen(value)?.port ?? 0) > 0,
)
export const FlowLog = off(
  mapping({
    file: text('the path of a file', (value) => value !== '' && !value.endsWith('/')).optional(),
    ipfix: collector.optional(),
    domain: integer(0, 2 ** 32 - 1).optional(),
  }).refine(
    ({ file, ipfix }) => file !== undefined || ipfix !== undefined,
    'a mapping with the key file, ipfix or both',
  ),
  'off, or a mapping with the keys file, ipfix, domain',
)
