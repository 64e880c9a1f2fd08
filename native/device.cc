// TUN and TAP devices over /dev/net/tun: Documentation/networking/tuntap.rst and drivers/net/tun.c of Linux.
//
// A device for a namespace is made in the daemon's own and then moved. A descriptor that was opened inside a
// namespace holds that namespace alive (tun_chr_open's socket takes a reference), so the namespace of an ended
// container would never go; a device that was moved dies with its namespace, and our descriptor reports it (EPOLLERR,
// then EBADFD from read).
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <vector>

#include "cold.h"
#include "netlink.h"

// Linux 6.2; older headers lack them.
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

namespace bridgeport {

// struct virtio_net_hdr without num_buffers, virtio 1.2, 5.1.6.
constexpr int kVnetHeaderLength = 10;
// MAX_TAP_QUEUES in drivers/net/tun.c.
constexpr int kQueuesMax = 256;
// What the kernel replaces by the first free number; 15 bytes always hold it.
constexpr char kTemporaryName[] = "bp%d";

struct Request {
  std::string ifname, netns, alias;
  short flags;
  int queues;
  bool offload;
  bool persist;
  int owner;
};

static Request parse(Napi::Object options) {
  Request request;
  request.ifname = interfaceName(text(options, "ifname"), "TUNSETIFF");
  request.netns = text(options, "netns");
  request.alias = text(options, "alias");
  request.queues = integer(options, "queues");
  request.offload = flag(options, "offload");
  request.persist = flag(options, "persist");
  request.owner = given(options, "owner") ? integer(options, "owner") : -1;
  if (request.queues < 1 || request.queues > kQueuesMax) failInterface(EINVAL, "TUNSETIFF", request.ifname);
  int kind = text(options, "kind") == "tun" ? IFF_TUN : IFF_TAP;
  int multiple = request.queues > 1 ? IFF_MULTI_QUEUE : 0;
  request.flags = static_cast<short>(kind | multiple | IFF_NO_PI | IFF_VNET_HDR);
  return request;
}

// Opens one queue; `name` is the device's, or a pattern that the kernel replaces by the name it chose.
static Descriptor queueOpen(const Request& request, char* name, bool first) {
  Descriptor queue(open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (queue.get() < 0) failPath(errno, "open", "/dev/net/tun");
  ifreq change{};
  memcpy(change.ifr_name, name, IFNAMSIZ);
  // Without IFF_TUN_EXCL a device of that name would be joined, not refused.
  change.ifr_flags = static_cast<short>(request.flags | (first ? IFF_TUN_EXCL : 0));
  if (ioctl(queue.get(), TUNSETIFF, &change) < 0)
    failInterface(first && errno == EBUSY ? EEXIST : errno, "TUNSETIFF", request.ifname);
  memcpy(name, change.ifr_name, IFNAMSIZ);
  return queue;
}

// Asks for what the kernel may hand us unfinished, the most first; returns the mask it granted.
static unsigned offloadsSet(int fd, const Request& request) {
  const unsigned segmentation = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
  const unsigned masks[] = {segmentation | TUN_F_USO4 | TUN_F_USO6, segmentation, TUN_F_CSUM, 0};
  for (unsigned mask : masks) {
    if (mask != 0 && !request.offload) continue;
    if (ioctl(fd, TUNSETOFFLOAD, static_cast<unsigned long>(mask)) == 0) return mask;
    if (errno != EINVAL) break;
  }
  failInterface(errno, "TUNSETOFFLOAD", request.ifname);
}

// Sets the alias and, for a namespace, moves and names the device, in one message: where the name is taken the move
// may have happened all the same, and the device goes when the caller closes its descriptors.
static void place(const Request& request, const char* name) {
  Descriptor target;
  Netlink netlink;
  Message message(RTM_SETLINK, 0);
  message.body<ifinfomsg>()->ifi_index = interfaceIndex(name);
  message.put(IFLA_IFALIAS, request.alias.c_str());
  if (!request.netns.empty()) {
    target = namespaceOpen(request.netns);
    message.put(IFLA_NET_NS_FD, static_cast<uint32_t>(target.get()));
    message.put(IFLA_IFNAME, request.ifname.c_str());
  }
  int error = netlink.exchange(message);
  // EINVAL is what the kernel answers to a descriptor that is no network namespace.
  if (error == EINVAL && !request.netns.empty()) failPath(error, "RTM_SETLINK", request.netns);
  if (error != 0) failInterface(error, "RTM_SETLINK", request.ifname);
}

static void persist(int fd, const Request& request) {
  if (request.owner >= 0 && ioctl(fd, TUNSETOWNER, static_cast<unsigned long>(request.owner)) < 0)
    failInterface(errno, "TUNSETOWNER", request.ifname);
  if (ioctl(fd, TUNSETPERSIST, 1UL) < 0) failInterface(errno, "TUNSETPERSIST", request.ifname);
}

static Napi::Value deviceOpen(const Napi::CallbackInfo& info) {
  Request request = parse(info[0].As<Napi::Object>());
  char name[IFNAMSIZ] = {};
  strncpy(name, request.netns.empty() ? request.ifname.c_str() : kTemporaryName, IFNAMSIZ - 1);

  std::vector<Descriptor> queues;
  for (int index = 0; index < request.queues; index++) queues.push_back(queueOpen(request, name, index == 0));
  int header = kVnetHeaderLength;
  for (const Descriptor& queue : queues)
    if (ioctl(queue.get(), TUNSETVNETHDRSZ, &header) < 0) failInterface(errno, "TUNSETVNETHDRSZ", request.ifname);
  unsigned offloads = offloadsSet(queues[0].get(), request);
  place(request, name);
  int ifindex = 0;
  inNamespace(request.netns, [&] { ifindex = interfaceIndex(request.ifname); });
  // Last, because a persistent device stays when the descriptors close: nothing after it can fail.
  if (request.persist) persist(queues[0].get(), request);

  Napi::Array fds = Napi::Array::New(info.Env());
  if (!request.persist)
    for (size_t index = 0; index < queues.size(); index++) fds.Set(static_cast<uint32_t>(index), queues[index].release());
  Napi::Object device = Napi::Object::New(info.Env());
  device.Set("fds", fds);
  device.Set("ifindex", ifindex);
  device.Set("offloads", offloads);
  return device;
}

void registerDevice(Napi::Env env, Napi::Object exports) { expose<deviceOpen>(env, exports, "deviceOpen"); }

}  // namespace bridgeport
