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
#include "load.h"

#include <arpa/inet.h>
#include <rte_eal.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Mbufs: both rings of both ports, what is on its way in this program, and caches. */
enum { MBUFS = 8 * RING + 8191 };

struct rte_mempool *pool;
struct rte_ether_addr mac[2];
volatile int ended;

static void end(int signal) { ended = signal; }

void fail(const char *what) {
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

uint8_t *blank(struct rte_mbuf *frame) {
  uint8_t *at = (uint8_t *)rte_pktmbuf_append(frame, LENGTH);
  if (!at) fail("frames have no room");
  memset(at, 0, LENGTH);
  return at;
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
