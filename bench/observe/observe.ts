/** What it costs to see: a switch that is looked at, beside itself when nobody looks. */
import type { Contest } from '../compare/contest.ts'
import { installed } from '../compare/peer.ts'
import { reserve } from '../vhost/pages.ts'
import { bridgeport, bridgeportVhost } from './bridgeport.ts'
import { counts, type ObserveJoint } from './site.ts'
import { capture, filter, live, page, scrape } from './watcher.ts'

export const observe: Contest<ObserveJoint> = {
  name: 'observe',
  peers: [bridgeport, bridgeportVhost],
  measurements: [scrape, live, page, capture, filter],
  plots: [
    {
      name: 'observe',
      title: 'Frames forwarded while somebody looks, of those while nobody does (longer is better)',
      metrics: ['scrapeShare', 'liveShare', 'pageShare', 'filterShare', 'captureShare'],
    },
    {
      name: 'observe-scrape',
      title: 'A scrape of 100 ports, 10,000 rules and 100,000 connections (shorter is better)',
      metrics: ['scrapeIdle', 'scrapeIdleP99', 'scrapeLoaded', 'scrapeLoadedP99'],
    },
  ],
  target: null,
  usual: { rounds: 2, seconds: 6 },
  // Only guests need them.
  reserve: () => (installed('dpdk-testpmd') ? reserve() : () => {}),
  terms:
    `${counts.ports} ports, ${counts.rules} rules, ${counts.flows} connections; a second of looking between seconds of not looking; ` +
    'scraped every 15 s it is a fifteenth of the loss; the browser is on this machine, too, at nice 19, captures are at nice 10',
}
