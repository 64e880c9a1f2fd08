/*
 * The guests of what dpdk-testpmd cannot measure: one process, one thread, two virtio_user ports A (0) and B (1) of one switch.
 *
 *   load EAL-ARGUMENTS -- flows COUNT SECONDS SOURCE     A sends UDP of so many flows as fast as they are taken; B counts, and looks
 *                                                        whether each frame comes from the address that it has to be translated to
 *   load EAL-ARGUMENTS -- echo PER-SECOND SECONDS        A sends so many frames a second, B sends each back; A takes the time
 *
 * It is C because it has to make and time-stamp millions of frames a second on one core: what it measures is the switch on the other.
 * Prints one line of JSON when it is done. The first WARM seconds are not counted: MACs are learned, flows made, caches filled.
 */
#include <arpa/inet.h>
#include <rte_arp.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_udp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { A, B, BURST = 32, RING = 1024, LENGTH = 64 };
/* Mbufs: both rings of both ports, what is on its way in this program, and caches. */
enum { MBUFS = 8 * RING + 8191 };
/* Flows differ in both ports: 1,024 source ports, and as many destination ports as it takes. */
enum { SOURCE_FIRST = 20000, SOURCES = 1024, DESTINATION_FIRST = 5000, DESTINATIONS = 128 };
static const double WARM = 1.0;

static const uint32_t guest = RTE_IPV4(10, 50, 0, 2), gateway = RTE_IPV4(10, 50, 0, 1), outside = RTE_IPV4(10, 60, 0, 2);

static struct rte_mempool *pool;
static struct rte_ether_addr mac[2];
static volatile sig_atomic_t ended;

static void end(int signal) { ended = signal; }

static void fail(const char *what) {
  fprintf(stderr, "load: %s\n", what);
  exit(1);
}

static void open_port(uint16_t port) {
  struct rte_eth_conf conf;
  memset(&conf, 0, sizeof conf);
  if (rte_eth_dev_configure(port, 1, 1, &conf) || rte_eth_rx_queue_setup(port, 0, RING, SOCKET_ID_ANY, NULL, pool) ||
      rte_eth_tx_queue_setup(port, 0, RING, SOCKET_ID_ANY, NULL) || rte_eth_dev_start(port))
    fail("a port does not start");
  if (rte_eth_macaddr_get(port, &mac[port])) fail("a port has no MAC");
  rte_eth_promiscuous_enable(port);
}

static uint8_t *blank(struct rte_mbuf *frame) {
  uint8_t *at = (uint8_t *)rte_pktmbuf_append(frame, LENGTH);
  if (!at) fail("frames have no room");
  memset(at, 0, LENGTH);
  return at;
}

/* Sends one frame that nobody waits for. */
static void give(uint16_t port, struct rte_mbuf *frame) {
  if (rte_eth_tx_burst(port, 0, &frame, 1) == 0) rte_pktmbuf_free(frame);
}

static void arp(uint16_t port, uint16_t operation, uint32_t sender, uint32_t target, const struct rte_ether_addr *whom) {
  struct rte_mbuf *frame = rte_pktmbuf_alloc(pool);
  if (!frame) return;
  struct rte_ether_hdr *ethernet = (struct rte_ether_hdr *)blank(frame);
  struct rte_arp_hdr *header = (struct rte_arp_hdr *)(ethernet + 1);
  if (whom) ethernet->dst_addr = header->arp_data.arp_tha = *whom;
  else memset(&ethernet->dst_addr, 0xff, sizeof ethernet->dst_addr);
  ethernet->src_addr = header->arp_data.arp_sha = mac[port];
  ethernet->ether_type = RTE_BE16(RTE_ETHER_TYPE_ARP);
  header->arp_hardware = RTE_BE16(RTE_ARP_HRD_ETHER);
  header->arp_protocol = RTE_BE16(RTE_ETHER_TYPE_IPV4);
  header->arp_hlen = sizeof(struct rte_ether_addr);
  header->arp_plen = sizeof(uint32_t);
  header->arp_opcode = rte_cpu_to_be_16(operation);
  header->arp_data.arp_sip = rte_cpu_to_be_32(sender);
  header->arp_data.arp_tip = rte_cpu_to_be_32(target);
  give(port, frame);
}

/* Answers whoever asks B for the outside host, or for the gateway where the switch is none and B stands behind it. */
static int asked(struct rte_mbuf *frame) {
  struct rte_ether_hdr *ethernet = rte_pktmbuf_mtod(frame, struct rte_ether_hdr *);
  struct rte_arp_hdr *header = (struct rte_arp_hdr *)(ethernet + 1);
  if (ethernet->ether_type != RTE_BE16(RTE_ETHER_TYPE_ARP)) return 0;
  uint32_t target = rte_be_to_cpu_32(header->arp_data.arp_tip), sender = rte_be_to_cpu_32(header->arp_data.arp_sip);
  if (header->arp_opcode == RTE_BE16(RTE_ARP_OP_REQUEST) && (target == outside || target == gateway) && sender != target)
    arp(B, RTE_ARP_OP_REPLY, target, sender, &header->arp_data.arp_sha);
  return 1;
}

/* The gateway's MAC: A asks until there is an answer. */
static struct rte_ether_addr router(void) {
  struct rte_mbuf *frames[BURST];
  for (int attempt = 0; attempt < 100 && !ended; attempt++) {
    arp(A, RTE_ARP_OP_REQUEST, guest, gateway, NULL);
    for (uint64_t until = rte_rdtsc() + rte_get_tsc_hz() / 10; rte_rdtsc() < until;)
      for (uint16_t port = A; port <= B; port++) {
        struct rte_ether_addr found;
        int known = 0;
        uint16_t count = rte_eth_rx_burst(port, 0, frames, BURST);
        for (uint16_t n = 0; n < count; n++) {
          struct rte_ether_hdr *ethernet = rte_pktmbuf_mtod(frames[n], struct rte_ether_hdr *);
          struct rte_arp_hdr *header = (struct rte_arp_hdr *)(ethernet + 1);
          if (port == B) asked(frames[n]);
          else if (ethernet->ether_type == RTE_BE16(RTE_ETHER_TYPE_ARP) && header->arp_opcode == RTE_BE16(RTE_ARP_OP_REPLY) &&
                   header->arp_data.arp_sip == rte_cpu_to_be_32(gateway))
            found = header->arp_data.arp_sha, known = 1;
        }
        rte_pktmbuf_free_bulk(frames, count);
        if (known) return found;
      }
  }
  fail("nobody answers for the gateway");
  return mac[A];
}

/* Flow `n` of a template whose checksums are those of port numbers 0: RFC 1624 has what a checksum becomes when a field does. */
static void flow(uint8_t *at, const uint8_t *template, uint32_t base, uint32_t n) {
  memcpy(at, template, LENGTH);
  struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(at + sizeof(struct rte_ether_hdr) + sizeof(struct rte_ipv4_hdr));
  uint32_t from = SOURCE_FIRST + n % SOURCES, to = DESTINATION_FIRST + n / SOURCES, sum = base + from + to;
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  udp->src_port = rte_cpu_to_be_16(from);
  udp->dst_port = rte_cpu_to_be_16(to);
  udp->dgram_cksum = rte_cpu_to_be_16(sum == 0xffff ? 0xffff : ~sum & 0xffff);
}

/* The template, and the sum of all that its UDP checksum covers. */
static uint32_t prepare(uint8_t *at) {
  struct rte_ether_hdr *ethernet = (struct rte_ether_hdr *)at;
  struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(ethernet + 1);
  struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(ip + 1);
  memset(at, 0, LENGTH);
  ethernet->dst_addr = router();
  ethernet->src_addr = mac[A];
  ethernet->ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4);
  ip->version_ihl = 0x45;
  ip->total_length = RTE_BE16(LENGTH - sizeof *ethernet);
  ip->time_to_live = 64;
  ip->next_proto_id = IPPROTO_UDP;
  ip->src_addr = rte_cpu_to_be_32(guest);
  ip->dst_addr = rte_cpu_to_be_32(outside);
  ip->hdr_checksum = rte_ipv4_cksum(ip);
  udp->dgram_len = RTE_BE16(LENGTH - sizeof *ethernet - sizeof *ip);
  return rte_be_to_cpu_16((uint16_t)~rte_ipv4_udptcp_cksum(ip, udp));
}

struct tally {
  uint64_t sent, received, translated, wrong;
};

/* One bit for each pair of ports: B has answered that flow. */
static uint8_t answered[DESTINATIONS][65536 / 8];

/* The flow's first answer, in the frame that asked: flows with frames both ways are what a NAT has to be fast with. */
static void answer(struct rte_mbuf *frame) {
  struct rte_ether_hdr *ethernet = rte_pktmbuf_mtod(frame, struct rte_ether_hdr *);
  struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(ethernet + 1);
  struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(ip + 1);
  uint16_t from = rte_be_to_cpu_16(udp->src_port), to = rte_be_to_cpu_16(udp->dst_port) - DESTINATION_FIRST;
  if (to >= DESTINATIONS || answered[to][from >> 3] & 1 << (from & 7)) return;
  struct rte_mbuf *copy = rte_pktmbuf_alloc(pool);
  if (!copy) return;
  uint8_t *at = blank(copy);
  memcpy(at, ethernet, LENGTH);
  ethernet = (struct rte_ether_hdr *)at;
  struct rte_ipv4_hdr *back = (struct rte_ipv4_hdr *)(ethernet + 1);
  struct rte_udp_hdr *ports = (struct rte_udp_hdr *)(back + 1);
  /* What is exchanged leaves the checksums as they are. */
  ethernet->dst_addr = ethernet->src_addr;
  ethernet->src_addr = mac[B];
  back->src_addr = ip->dst_addr;
  back->dst_addr = ip->src_addr;
  ports->src_port = udp->dst_port;
  ports->dst_port = udp->src_port;
  if (rte_eth_tx_burst(B, 0, &copy, 1)) answered[to][from >> 3] |= 1 << (from & 7);
  else rte_pktmbuf_free(copy);
}

/* B's part: every frame's source is looked at, and each 256th's checksums. */
static void receive(struct tally *tally, uint32_t source, int warm) {
  struct rte_mbuf *frames[BURST];
  uint16_t count = rte_eth_rx_burst(B, 0, frames, BURST);
  /* A has no use for what comes back. */
  struct rte_mbuf *answers[BURST];
  rte_pktmbuf_free_bulk(answers, rte_eth_rx_burst(A, 0, answers, BURST));
  for (uint16_t n = 0; n < count; n++) {
    struct rte_ether_hdr *ethernet = rte_pktmbuf_mtod(frames[n], struct rte_ether_hdr *);
    struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(ethernet + 1);
    if (ethernet->ether_type != RTE_BE16(RTE_ETHER_TYPE_IPV4)) {
      asked(frames[n]);
      continue;
    }
    if (ip->next_proto_id != IPPROTO_UDP || ip->dst_addr != rte_cpu_to_be_32(outside)) continue;
    if (warm) answer(frames[n]);
    tally->received++;
    tally->translated += ip->src_addr == rte_cpu_to_be_32(source);
    if (tally->received % 256 == 0)
      tally->wrong += rte_raw_cksum(ip, sizeof *ip) != 0xffff || rte_ipv4_udptcp_cksum(ip, ip + 1) != 0xffff;
  }
  rte_pktmbuf_free_bulk(frames, count);
}

static void flows(uint32_t count, double seconds, uint32_t source) {
  uint8_t template[LENGTH];
  const uint32_t base = prepare(template);
  struct tally tally, warm;
  struct rte_mbuf *frames[BURST];
  uint16_t waiting = 0;
  uint32_t n = 0;
  const uint64_t hz = rte_get_tsc_hz(), began = rte_rdtsc(), counted = began + WARM * hz, until = counted + seconds * hz;
  memset(&tally, 0, sizeof tally);
  memset(&warm, 0, sizeof warm);
  uint64_t now, from = 0;
  while ((now = rte_rdtsc()) < until && !ended) {
    if (from == 0 && now >= counted) from = now, warm = tally;
    if (waiting == 0 && rte_pktmbuf_alloc_bulk(pool, frames, BURST) == 0)
      for (; waiting < BURST; waiting++, n = n + 1 == count ? 0 : n + 1)
        flow((uint8_t *)rte_pktmbuf_append(frames[waiting], LENGTH), template, base, n);
    uint16_t taken = rte_eth_tx_burst(A, 0, frames, waiting);
    tally.sent += taken;
    waiting -= taken;
    memmove(frames, frames + taken, waiting * sizeof *frames);
    receive(&tally, source, from == 0);
  }
  printf("{\"seconds\":%.6f,\"sent\":%lu,\"received\":%lu,\"translated\":%lu,\"wrong\":%lu}\n", (double)(now - from) / hz,
         tally.sent - warm.sent, tally.received - warm.received, tally.translated - warm.translated, tally.wrong);
}

/* Round trips by duration: so wide a bucket, the last for all that is longer. */
enum { BUCKETS = 1 << 20 };
static const double BUCKET = 20e-9;
static uint32_t histogram[BUCKETS];

static double quantile(uint64_t total, double fraction) {
  uint64_t sum = 0, wanted = (uint64_t)(total * fraction);
  for (uint32_t n = 0; n < BUCKETS; n++)
    if ((sum += histogram[n]) > wanted) return (n + 0.5) * BUCKET * 1e6;
  return BUCKETS * BUCKET * 1e6;
}

struct stamp {
  struct rte_ether_hdr ethernet;
  struct rte_ipv4_hdr ip;
  struct rte_udp_hdr udp;
  uint64_t at;
} __rte_packed __rte_aligned(2);

static void reflect(void) {
  struct rte_mbuf *frames[BURST];
  uint16_t count = rte_eth_rx_burst(B, 0, frames, BURST), taken;
  for (uint16_t n = 0; n < count; n++) {
    struct rte_ether_hdr *ethernet = rte_pktmbuf_mtod(frames[n], struct rte_ether_hdr *);
    ethernet->dst_addr = ethernet->src_addr;
    ethernet->src_addr = mac[B];
  }
  taken = rte_eth_tx_burst(B, 0, frames, count);
  rte_pktmbuf_free_bulk(frames + taken, count - taken);
}

static void echo(double rate, double seconds) {
  struct stamp template;
  struct rte_mbuf *frames[BURST];
  uint64_t sent = 0, back = 0, slowest = 0;
  const uint64_t hz = rte_get_tsc_hz(), began = rte_rdtsc(), counted = began + WARM * hz, until = counted + seconds * hz;
  const double interval = hz / rate;
  double due = began;
  memset(&template, 0, sizeof template);
  template.ethernet.dst_addr = mac[B];
  template.ethernet.src_addr = mac[A];
  template.ethernet.ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4);
  template.ip.version_ihl = 0x45;
  template.ip.total_length = RTE_BE16(LENGTH - sizeof template.ethernet);
  template.ip.time_to_live = 64;
  template.ip.next_proto_id = IPPROTO_UDP;
  template.ip.src_addr = rte_cpu_to_be_32(guest);
  template.ip.dst_addr = rte_cpu_to_be_32(outside);
  template.ip.hdr_checksum = rte_ipv4_cksum(&template.ip);
  template.udp.src_port = template.udp.dst_port = RTE_BE16(SOURCE_FIRST);
  template.udp.dgram_len = RTE_BE16(LENGTH - sizeof template.ethernet - sizeof template.ip);
  /* Frames may still be on their way at the end: they get a tenth of a second. */
  for (uint64_t now; (now = rte_rdtsc()) < until + hz / 10 && !ended;) {
    uint16_t ready = 0;
    while (due <= now && due < until && ready < BURST && (frames[ready] = rte_pktmbuf_alloc(pool))) {
      uint8_t *at = blank(frames[ready++]);
      template.at = now;
      memcpy(at, &template, sizeof template);
      sent += now >= counted;
      due += interval;
    }
    uint16_t taken = rte_eth_tx_burst(A, 0, frames, ready);
    rte_pktmbuf_free_bulk(frames + taken, ready - taken);
    reflect();
    uint16_t count = rte_eth_rx_burst(A, 0, frames, BURST);
    now = rte_rdtsc();
    for (uint16_t n = 0; n < count; n++) {
      struct stamp *stamp = rte_pktmbuf_mtod(frames[n], struct stamp *);
      if (stamp->udp.src_port != template.udp.src_port || stamp->at < counted) continue;
      uint64_t took = now - stamp->at, bucket = took / hz >= 1 ? BUCKETS : (uint64_t)((double)took / hz / BUCKET);
      histogram[RTE_MIN(bucket, (uint64_t)BUCKETS - 1)]++;
      slowest = RTE_MAX(slowest, took);
      back++;
    }
    rte_pktmbuf_free_bulk(frames, count);
  }
  printf("{\"sent\":%lu,\"back\":%lu,\"median\":%.3f,\"p99\":%.3f,\"max\":%.1f}\n", sent, back, quantile(back, 0.5),
         quantile(back, 0.99), slowest * 1e6 / hz);
}

int main(int argc, char **argv) {
  int used = rte_eal_init(argc, argv);
  if (used < 0) fail("DPDK does not start");
  argc -= used;
  argv += used;
  if (rte_eth_dev_count_avail() != 2) fail("there are not two ports");
  signal(SIGTERM, end);
  signal(SIGINT, end);
  pool = rte_pktmbuf_pool_create("frames", MBUFS, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
  if (!pool) fail("there is no memory for frames");
  for (uint16_t port = A; port <= B; port++) open_port(port);
  struct in_addr source;
  if (argc == 5 && !strcmp(argv[1], "flows") && inet_aton(argv[4], &source))
    flows(atoi(argv[2]), atof(argv[3]), rte_be_to_cpu_32(source.s_addr));
  else if (argc == 4 && !strcmp(argv[1], "echo")) echo(atof(argv[2]), atof(argv[3]));
  else fail("flows COUNT SECONDS SOURCE | echo PER-SECOND SECONDS");
  fflush(stdout);
  for (uint16_t port = A; port <= B; port++) rte_eth_dev_stop(port);
  rte_eal_cleanup();
  return 0;
}
