/* Frames from A at a given pace, which B sends back; each carries the time at which it left. */
#include "load.h"

#include <rte_cycles.h>
#include <stdio.h>
#include <string.h>

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

void echo(double rate, double seconds) {
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
  template.ip.src_addr = rte_cpu_to_be_32(GUEST);
  template.ip.dst_addr = rte_cpu_to_be_32(OUTSIDE);
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
