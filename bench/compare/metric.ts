/** The figures that are compared: one row of the table each. */

export type Metric =
  | 'tcp1'
  | 'tcp4'
  | 'rate'
  | 'offered'
  | 'flood'
  | 'median'
  | 'p99'
  | 'gigabyteMachine'
  | 'gigabyteSwitch'
  | 'framesMachine'
  | 'framesSwitch'
  | Stream
  | 'connections'
  | 'connectionsFailed'
  | 'connectionsMachine'
  | 'connectionsSwitch'
  | 'leases'
  | 'leasesLost'
  | 'leaseDelay'
  | 'meanwhile'
  | 'meanwhileFull'
  | `rules${0 | 10 | 100 | 1000 | 10000}`
  | `wide${1000 | 10000}`
  | `fresh${0 | 1000 | 10000}`
  | 'noneFrames'
  | 'usualFrames'
  | 'noneTcp'
  | 'usualTcp'
  | 'lost'
  | 'unanswered'
  | 'roundTrip'
  | 'roundTripReplacing'
  | 'roundTripAdded'
  | 'replacingRate'
  | 'restoreIdle'
  | 'restoreLongest'
  | `frames${64 | 512 | 1518}`
  | 'flooded64'
  | `flows${1024 | 100000}`
  | 'echoLoad'
  | `${'tenth' | 'half'}${'Median' | 'P99' | 'Lost'}`
  | 'guestTcp'
  | 'idleAlone'
  | 'idleGuests'
  | 'unwatched'
  | `${'scrape' | 'live' | 'page' | 'capture' | 'filter'}Share`
  | `scrape${'Idle' | 'Loaded'}${'' | 'P99'}`
  | 'captured'
  | 'capturedLost'

/** TCP through a NAT, by who sends and how many streams: to the outside, from the outside, in through a published port. */
export type Stream = `${'out' | 'back' | 'in'}${1 | 4 | 16}`

/** What one round yielded; a figure that does not apply to a peer is absent. */
export type Sample = Partial<Record<Metric, number>>

export interface Row {
  title: string
  unit: string
  digits: number
}

export const rows: Record<Metric, Row> = {
  tcp1: { title: 'TCP, 1 stream', unit: 'Gbit/s', digits: 2 },
  tcp4: { title: 'TCP, 4 streams', unit: 'Gbit/s', digits: 2 },
  rate: { title: '60-byte frames received', unit: 'kpps', digits: 0 },
  offered: { title: '60-byte frames offered', unit: 'kpps', digits: 0 },
  flood: { title: 'round trip, `ping -f` average', unit: 'µs', digits: 1 },
  median: { title: 'round trip, 1,000/s, median', unit: 'µs', digits: 1 },
  p99: { title: 'round trip, 1,000/s, p99', unit: 'µs', digits: 1 },
  out1: { title: 'guest sends, 1 stream', unit: 'Gbit/s', digits: 2 },
  out4: { title: 'guest sends, 4 streams', unit: 'Gbit/s', digits: 2 },
  out16: { title: 'guest sends, 16 streams', unit: 'Gbit/s', digits: 2 },
  back1: { title: 'guest receives, 1 stream', unit: 'Gbit/s', digits: 2 },
  back4: { title: 'guest receives, 4 streams', unit: 'Gbit/s', digits: 2 },
  back16: { title: 'guest receives, 16 streams', unit: 'Gbit/s', digits: 2 },
  in1: { title: 'published port, 1 stream', unit: 'Gbit/s', digits: 2 },
  in4: { title: 'published port, 4 streams', unit: 'Gbit/s', digits: 2 },
  in16: { title: 'published port, 16 streams', unit: 'Gbit/s', digits: 2 },
  connections: { title: 'TCP connections opened and closed', unit: '1/s', digits: 0 },
  connectionsFailed: { title: 'TCP connections that failed', unit: '%', digits: 2 },
  leases: { title: 'DHCP exchanges', unit: '1/s', digits: 0 },
  leasesLost: { title: 'DHCP messages lost', unit: '', digits: 0 },
  leaseDelay: { title: 'DHCP answer, longest', unit: 'ms', digits: 2 },
  meanwhile: { title: 'TCP at half speed during DHCP, of that without', unit: '%', digits: 1 },
  meanwhileFull: { title: 'TCP at full speed during DHCP, of that without', unit: '%', digits: 1 },
  rules0: { title: 'frames of connections, no rule', unit: 'kpps', digits: 0 },
  rules10: { title: 'frames of connections, 10 rules', unit: 'kpps', digits: 0 },
  rules100: { title: 'frames of connections, 100 rules', unit: 'kpps', digits: 0 },
  rules1000: { title: 'frames of connections, 1,000 rules', unit: 'kpps', digits: 0 },
  rules10000: { title: 'frames of connections, 10,000 rules', unit: 'kpps', digits: 1 },
  wide1000: { title: 'the same, 1,000 rules about 10.0.0.0/8', unit: 'kpps', digits: 0 },
  wide10000: { title: 'the same, 10,000 rules about 10.0.0.0/8', unit: 'kpps', digits: 1 },
  fresh0: { title: 'first frames of flows, no rule', unit: 'kpps', digits: 0 },
  fresh1000: { title: 'first frames of flows, 1,000 rules', unit: 'kpps', digits: 0 },
  fresh10000: { title: 'first frames of flows, 10,000 rules', unit: 'kpps', digits: 1 },
  noneFrames: { title: 'frames of connections, before any rules', unit: 'kpps', digits: 0 },
  usualFrames: { title: 'frames of connections, the usual six rules', unit: 'kpps', digits: 0 },
  noneTcp: { title: 'TCP, before any rules', unit: 'Gbit/s', digits: 2 },
  usualTcp: { title: 'TCP, the usual six rules', unit: 'Gbit/s', digits: 2 },
  lost: { title: 'frames lost while 10,000 rules are replaced', unit: '', digits: 0 },
  unanswered: { title: 'pings lost meanwhile', unit: '', digits: 0 },
  roundTrip: { title: 'longest round trip under the same load', unit: 'ms', digits: 2 },
  roundTripReplacing: { title: 'longest round trip while rules are replaced', unit: 'ms', digits: 2 },
  roundTripAdded: { title: 'added to a round trip by that', unit: 'ms', digits: 2 },
  replacingRate: { title: 'frames received while rules are replaced, of those before', unit: '%', digits: 1 },
  restoreIdle: { title: 'replacing 10,000 rules, from command to in force', unit: 'ms', digits: 0 },
  restoreLongest: { title: 'the same under load, the longest', unit: 'ms', digits: 0 },
  frames64: { title: '64-byte frames, to and fro', unit: 'Mpps', digits: 2 },
  flooded64: { title: '64-byte frames to MACs nobody has', unit: 'Mpps', digits: 2 },
  frames512: { title: '512-byte frames, to and fro', unit: 'Mpps', digits: 2 },
  frames1518: { title: '1,518-byte frames, to and fro', unit: 'Mpps', digits: 2 },
  flows1024: { title: '64-byte frames through SNAT, 1,024 flows', unit: 'Mpps', digits: 2 },
  flows100000: { title: '64-byte frames through SNAT, 100,000 flows', unit: 'Mpps', digits: 2 },
  echoLoad: { title: 'frames that count as full load', unit: 'Mpps', digits: 2 },
  tenthMedian: { title: 'round trip at 10 % load, median', unit: 'µs', digits: 1 },
  tenthP99: { title: 'round trip at 10 % load, p99', unit: 'µs', digits: 1 },
  tenthLost: { title: 'lost at 10 % load', unit: '%', digits: 3 },
  halfMedian: { title: 'round trip at 50 % load, median', unit: 'µs', digits: 1 },
  halfP99: { title: 'round trip at 50 % load, p99', unit: 'µs', digits: 1 },
  halfLost: { title: 'lost at 50 % load', unit: '%', digits: 3 },
  guestTcp: { title: 'TCP between two QEMU guests', unit: 'Gbit/s', digits: 2 },
  idleAlone: { title: 'CPU of idle ports, no guest connected', unit: '%', digits: 2 },
  idleGuests: { title: 'CPU of idle ports, two guests connected', unit: '%', digits: 2 },
  unwatched: { title: 'frames while nobody looks', unit: 'kpps', digits: 0 },
  scrapeShare: { title: 'while scraped every second, of that', unit: '%', digits: 1 },
  scrapeIdle: { title: 'a scrape, nothing else to do, median', unit: 'ms', digits: 1 },
  scrapeIdleP99: { title: 'a scrape, nothing else to do, p99', unit: 'ms', digits: 1 },
  scrapeLoaded: { title: 'a scrape under load, median', unit: 'ms', digits: 1 },
  scrapeLoadedP99: { title: 'a scrape under load, p99', unit: 'ms', digits: 1 },
  liveShare: { title: 'while the live stream is read, of that', unit: '%', digits: 1 },
  pageShare: { title: 'while the page is open in Chromium, of that', unit: '%', digits: 1 },
  captureShare: { title: 'while all is captured into /dev/null, of that', unit: '%', digits: 1 },
  captured: { title: 'frames recorded, as they came and as they left', unit: 'kpps', digits: 0 },
  capturedLost: { title: 'of these lost because nobody read in time', unit: '%', digits: 2 },
  filterShare: { title: 'while a filter lets none through, of that', unit: '%', digits: 1 },
  gigabyteMachine: { title: 'CPU per GB of TCP, whole machine', unit: 's', digits: 2 },
  gigabyteSwitch: { title: 'CPU per GB of TCP, switch', unit: 's', digits: 2 },
  framesMachine: { title: 'CPU per million frames, whole machine', unit: 's', digits: 2 },
  connectionsMachine: { title: 'CPU per 1,000 connections, whole machine', unit: 's', digits: 3 },
  connectionsSwitch: { title: 'CPU per 1,000 connections, switch', unit: 's', digits: 3 },
  framesSwitch: { title: 'CPU per million frames, switch', unit: 's', digits: 2 },
}

export const metrics = Object.keys(rows) as Metric[]
