// A packet(7) socket on an interface: the interface's end of a qemu-tap, or a card.
#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if_arp.h>
#include <sys/socket.h>

#include <cstdio>

#include "cold.h"
#include "ring.h"
#include "netlink.h"

namespace bridgeport {

// 64 frames (a burst) of 64 KiB with the kernel's bookkeeping, twice: one burst waits while one is worked on.
constexpr int kBufferLength = 8 << 20;

static void option(int fd, int level, int name, int value, const char* what, const std::string& ifname) {
  if (setsockopt(fd, level, name, &value, sizeof value) < 0) failInterface(errno, what, ifname);
}

// The first way passes net.core.[rw]mem_max and needs the initial CAP_NET_ADMIN; the second takes what that allows.
static void bufferSet(int fd, int forced, int plain) {
  if (setsockopt(fd, SOL_SOCKET, forced, &kBufferLength, sizeof kBufferLength) < 0)
    setsockopt(fd, SOL_SOCKET, plain, &kBufferLength, sizeof kBufferLength);
}

// What is sent to `mac` is not for this socket: on a card that is the host's own traffic, and the kernel need not copy it.
static void exclude(int fd, const std::string& mac, const std::string& ifname) {
  unsigned part[6];
  if (sscanf(mac.c_str(), "%2x:%2x:%2x:%2x:%2x:%2x", &part[0], &part[1], &part[2], &part[3], &part[4], &part[5]) != 6)
    failInterface(EINVAL, "SO_ATTACH_FILTER", ifname);
  uint32_t high = part[0] << 8 | part[1], low = part[2] << 24 | part[3] << 16 | part[4] << 8 | part[5];
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 2),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, low, 0, 3),
      BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, high, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 0),
      BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
  };
  sock_fprog filter{sizeof program / sizeof program[0], program};
  if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) < 0)
    failInterface(errno, "SO_ATTACH_FILTER", ifname);
}

// A ring for what a card receives. The vnet header has to be agreed on before; what does not fit an entry is queued as well.
static void ringSet(int fd, const std::string& ifname) {
  option(fd, SOL_PACKET, PACKET_VERSION, TPACKET_V2, "PACKET_VERSION", ifname);
  option(fd, SOL_PACKET, PACKET_COPY_THRESH, 1, "PACKET_COPY_THRESH", ifname);
  tpacket_req request{kRingBlock, static_cast<unsigned>(kRingLength / kRingBlock), kRingFrame, kRingFrames};
  if (setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &request, sizeof request) < 0)
    failInterface(errno, "PACKET_RX_RING", ifname);
}

static Descriptor packetSocket(const std::string& ifname, bool vnetHeader, bool promiscuous, bool ring,
                               const std::string& excluded) {
  // Protocol 0 receives nothing until it is bound: no frame of another interface and none without its header.
  Descriptor owner(socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  int fd = owner.get();
  if (fd < 0) failInterface(errno, "socket", ifname);
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = interfaceIndex(ifname);
  option(fd, SOL_PACKET, PACKET_VNET_HDR, vnetHeader ? 1 : 0, "PACKET_VNET_HDR", ifname);
  option(fd, SOL_PACKET, PACKET_AUXDATA, 1, "PACKET_AUXDATA", ifname);
  option(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1, "PACKET_IGNORE_OUTGOING", ifname);
  // Through the qdisc, not around it (PACKET_QDISC_BYPASS): that way drops a GSO frame that the device cannot segment.
  bufferSet(fd, SO_RCVBUFFORCE, SO_RCVBUF);
  bufferSet(fd, SO_SNDBUFFORCE, SO_SNDBUF);
  if (ring) ringSet(fd, ifname);
  if (!excluded.empty()) exclude(fd, excluded, ifname);
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) failInterface(errno, "bind", ifname);
  socklen_t length = sizeof address;
  bool told = getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) == 0;
  if (told && address.sll_hatype != ARPHRD_ETHER) failInterface(EPFNOSUPPORT, "bind", ifname);
  if (promiscuous) {
    packet_mreq membership{};
    membership.mr_ifindex = address.sll_ifindex;
    membership.mr_type = PACKET_MR_PROMISC;
    if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &membership, sizeof membership) < 0)
      failInterface(errno, "PACKET_ADD_MEMBERSHIP", ifname);
  }
  return owner;
}

static Napi::Value packetOpen(const Napi::CallbackInfo& info) {
  Napi::Object options = info[0].As<Napi::Object>();
  std::string ifname = interfaceName(text(options, "ifname"), "bind");
  bool vnetHeader = flag(options, "vnetHeader"), promiscuous = flag(options, "promiscuous");
  std::string excluded = text(options, "excluded");
  bool ring = flag(options, "ring");
  Descriptor opened;
  // A socket stays in the namespace where it was made, and keeps that namespace alive.
  inNamespace(text(options, "netns"), [&] { opened = packetSocket(ifname, vnetHeader, promiscuous, ring, excluded); });
  return Napi::Number::New(info.Env(), opened.release());
}

void registerPacket(Napi::Env env, Napi::Object exports) { expose<packetOpen>(env, exports, "packetOpen"); }

}  // namespace bridgeport
