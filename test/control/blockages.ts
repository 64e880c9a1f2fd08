/** Prints what blocks a link of the namespace it runs in. */
import { blockages } from '../../src/control/policy.ts'

const [ifname = '', routed] = process.argv.slice(2)
process.stdout.write(JSON.stringify(blockages(ifname, routed === 'routed')))
