/* What the parts of this program share. */
#pragma once
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_udp.h>
#include <stdint.h>

/* The two ports, in DPDK's count. Lengths are without the check sequence. */
enum { A, B, BURST = 32, RING = 1024, LENGTH = 64 };
/* Flows differ in both ports: 1,024 source ports, and as many destination ports as it takes. */
enum { SOURCE_FIRST = 20000, SOURCES = 1024, DESTINATION_FIRST = 5000, DESTINATIONS = 128 };
/* Seconds that are not counted: MACs are learned, flows made, caches filled. */
#define WARM 1.0

/* The addresses of whom A plays, of its gateway, and of whom B plays. */
#define GUEST RTE_IPV4(10, 50, 0, 2)
#define GATEWAY RTE_IPV4(10, 50, 0, 1)
#define OUTSIDE RTE_IPV4(10, 60, 0, 2)

extern struct rte_mempool *pool;
extern struct rte_ether_addr mac[2];
/* A signal asks for the end. */
extern volatile int ended;

void fail(const char *what);
/* Room for one frame, all zero. */
uint8_t *blank(struct rte_mbuf *frame);

/* Answers whoever asks at A for the guest, at B for the outside host, or for the gateway where the switch is none and B stands behind it. */
int asked(uint16_t port, struct rte_mbuf *frame);
/* The gateway's MAC: A asks until there is an answer. */
struct rte_ether_addr router(void);

void flows(uint32_t count, double seconds, uint32_t source);
void echo(double rate, double seconds);
