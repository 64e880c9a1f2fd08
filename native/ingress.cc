// Nothing that a guest sends may reach the host's own stack, yet our packet socket must see it: a clsact qdisc whose
// ingress filter, a bpf(2) program of two instructions in direct-action mode, drops every frame. A packet socket taps
// a frame before tc ingress does (__netif_receive_skb_core in net/core/dev.c), so it keeps its copy. cls_bpf is used
// because kernels without the matchall classifier or the gact action have it.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <arpa/inet.h>

#include "cold.h"
#include "netlink.h"

namespace bridgeport {

static Descriptor dropProgram(const std::string& ifname) {
  bpf_insn program[2] = {};
  program[0].code = BPF_ALU64 | BPF_MOV | BPF_K;  // r0 = TC_ACT_SHOT
  program[0].dst_reg = BPF_REG_0;
  program[0].imm = TC_ACT_SHOT;
  program[1].code = BPF_JMP | BPF_EXIT;
  bpf_attr attributes{};
  attributes.prog_type = BPF_PROG_TYPE_SCHED_CLS;
  attributes.insns = reinterpret_cast<uint64_t>(program);
  attributes.insn_cnt = 2;
  attributes.license = reinterpret_cast<uint64_t>("MIT");
  long fd = syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof attributes);
  if (fd < 0) failInterface(errno, "BPF_PROG_LOAD", ifname);
  return Descriptor(static_cast<int>(fd));
}

void ingressDrop(const std::string& ifname) {
  Netlink netlink;
  int ifindex = interfaceIndex(ifname);
  Message qdisc(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL);
  auto* queue = qdisc.body<tcmsg>();
  queue->tcm_ifindex = ifindex;
  queue->tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0);
  queue->tcm_parent = TC_H_CLSACT;
  qdisc.put(TCA_KIND, "clsact");
  int error = netlink.exchange(qdisc);
  if (error != 0 && error != EEXIST) failInterface(error, "RTM_NEWQDISC", ifname);

  Descriptor program = dropProgram(ifname);
  Message filter(RTM_NEWTFILTER, NLM_F_CREATE);
  auto* body = filter.body<tcmsg>();
  body->tcm_ifindex = ifindex;
  body->tcm_handle = 1;
  body->tcm_parent = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS);
  // The first priority: no other filter decides before ours.
  body->tcm_info = TC_H_MAKE(1u << 16, htons(ETH_P_ALL));
  filter.put(TCA_KIND, "bpf");
  rtattr* options = filter.nest(TCA_OPTIONS);
  filter.put(TCA_BPF_FD, static_cast<uint32_t>(program.get()));
  filter.put(TCA_BPF_NAME, "bridgeport-drop");
  filter.put(TCA_BPF_FLAGS, static_cast<uint32_t>(TCA_BPF_FLAG_ACT_DIRECT));
  filter.close(options);
  error = netlink.exchange(filter);
  if (error != 0) failInterface(error, "RTM_NEWTFILTER", ifname);
}

}  // namespace bridgeport
