/* UDP of many flows from A, as fast as the switch takes it; B counts what comes, and looks at it. */
#include "load.h"

#include <rte_cycles.h>
#include <stdio.h>
#include <string.h>

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
  ip->src_addr = rte_cpu_to_be_32(GUEST);
  ip->dst_addr = rte_cpu_to_be_32(OUTSIDE);
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
  /* Of what comes back A has no use, but a gateway that asks for it needs its answer: else each frame goes the way of the first. */
  struct rte_mbuf *answers[BURST];
  uint16_t back = rte_eth_rx_burst(A, 0, answers, BURST);
  for (uint16_t n = 0; n < back; n++) asked(A, answers[n]);
  rte_pktmbuf_free_bulk(answers, back);
  for (uint16_t n = 0; n < count; n++) {
    struct rte_ether_hdr *ethernet = rte_pktmbuf_mtod(frames[n], struct rte_ether_hdr *);
    struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(ethernet + 1);
    if (ethernet->ether_type != RTE_BE16(RTE_ETHER_TYPE_IPV4)) {
      asked(B, frames[n]);
      continue;
    }
    if (ip->next_proto_id != IPPROTO_UDP || ip->dst_addr != rte_cpu_to_be_32(OUTSIDE)) continue;
    if (warm) answer(frames[n]);
    tally->received++;
    tally->translated += ip->src_addr == rte_cpu_to_be_32(source);
    if (tally->received % 256 == 0)
      tally->wrong += rte_raw_cksum(ip, sizeof *ip) != 0xffff || rte_ipv4_udptcp_cksum(ip, ip + 1) != 0xffff;
  }
  rte_pktmbuf_free_bulk(frames, count);
}

void flows(uint32_t count, double seconds, uint32_t source) {
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
