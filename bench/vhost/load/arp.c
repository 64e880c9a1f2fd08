/* Who has which address: enough of ARP for a gateway to be found and an outside host to be. */
#include "load.h"

#include <rte_arp.h>
#include <rte_cycles.h>
#include <string.h>

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
  if (rte_eth_tx_burst(port, 0, &frame, 1) == 0) rte_pktmbuf_free(frame);
}

int asked(uint16_t port, struct rte_mbuf *frame) {
  struct rte_ether_hdr *ethernet = rte_pktmbuf_mtod(frame, struct rte_ether_hdr *);
  struct rte_arp_hdr *header = (struct rte_arp_hdr *)(ethernet + 1);
  if (ethernet->ether_type != RTE_BE16(RTE_ETHER_TYPE_ARP)) return 0;
  uint32_t target = rte_be_to_cpu_32(header->arp_data.arp_tip), sender = rte_be_to_cpu_32(header->arp_data.arp_sip);
  int ours = port == A ? target == GUEST : target == OUTSIDE || target == GATEWAY;
  if (header->arp_opcode == RTE_BE16(RTE_ARP_OP_REQUEST) && ours && sender != target)
    arp(port, RTE_ARP_OP_REPLY, target, sender, &header->arp_data.arp_sha);
  return 1;
}

struct rte_ether_addr router(void) {
  struct rte_mbuf *frames[BURST];
  for (int attempt = 0; attempt < 100 && !ended; attempt++) {
    arp(A, RTE_ARP_OP_REQUEST, GUEST, GATEWAY, NULL);
    for (uint64_t until = rte_rdtsc() + rte_get_tsc_hz() / 10; rte_rdtsc() < until;)
      for (uint16_t port = A; port <= B; port++) {
        struct rte_ether_addr found;
        int known = 0;
        uint16_t count = rte_eth_rx_burst(port, 0, frames, BURST);
        for (uint16_t n = 0; n < count; n++) {
          struct rte_ether_hdr *ethernet = rte_pktmbuf_mtod(frames[n], struct rte_ether_hdr *);
          struct rte_arp_hdr *header = (struct rte_arp_hdr *)(ethernet + 1);
          if (port == B) asked(B, frames[n]);
          else if (ethernet->ether_type == RTE_BE16(RTE_ETHER_TYPE_ARP) && header->arp_opcode == RTE_BE16(RTE_ARP_OP_REPLY) &&
                   header->arp_data.arp_sip == rte_cpu_to_be_32(GATEWAY))
            found = header->arp_data.arp_sha, known = 1;
        }
        rte_pktmbuf_free_bulk(frames, count);
        if (known) return found;
      }
  }
  fail("nobody answers for the gateway");
  return mac[A];
}
