// IPv4 addresses and default routes over rtnetlink(7): RTM_NEWADDR, RTM_GETADDR, RTM_NEWROUTE, RTM_GETROUTE.
#include <arpa/inet.h>
#include <net/if.h>

#include <cstdlib>
#include <utility>
#include <vector>

#include "cold.h"
#include "netlink.h"

namespace bridgeport {

// Reads "10.0.2.15/24"; throws EINVAL.
static in_addr parseCidr(const std::string& cidr, const std::string& ifname, int* prefix) {
  in_addr address{};
  size_t slash = cidr.find('/');
  char* end = nullptr;
  long bits = slash == std::string::npos ? -1 : strtol(cidr.c_str() + slash + 1, &end, 10);
  if (bits < 0 || bits > 32 || *end != '\0' || inet_pton(AF_INET, cidr.substr(0, slash).c_str(), &address) != 1)
    failInterface(EINVAL, "RTM_NEWADDR", ifname);
  *prefix = static_cast<int>(bits);
  return address;
}

void addressAdd(Netlink& netlink, const std::string& ifname, const std::string& cidr) {
  int prefix = 0;
  in_addr address = parseCidr(cidr, ifname, &prefix);
  Message message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
  auto* body = message.body<ifaddrmsg>();
  body->ifa_family = AF_INET;
  body->ifa_prefixlen = static_cast<uint8_t>(prefix);
  body->ifa_index = static_cast<uint32_t>(interfaceIndex(ifname));
  message.put(IFA_LOCAL, &address, sizeof address);
  message.put(IFA_ADDRESS, &address, sizeof address);
  // RFC 3021: a 31-bit prefix has no broadcast address.
  if (prefix < 31) message.put(IFA_BROADCAST, address.s_addr | htonl(0xffffffffu >> prefix));
  int error = netlink.exchange(message);
  if (error != 0 && error != EEXIST) failInterface(error, "RTM_NEWADDR", ifname);
}

struct DefaultRoute {
  uint32_t ifindex;
  bool mine;
};

// Notes whether a main-table default route of metric 0, the one that a new one would collide with, is over `ifindex`.
static void noteDefault(const nlmsghdr* answer, void* context) {
  auto* found = static_cast<DefaultRoute*>(context);
  auto* body = static_cast<rtmsg*>(NLMSG_DATA(answer));
  if (answer->nlmsg_type != RTM_NEWROUTE || body->rtm_dst_len != 0 || body->rtm_table != RT_TABLE_MAIN) return;
  int length = static_cast<int>(RTM_PAYLOAD(answer));
  if (attribute(RTM_RTA(body), length, RTA_PRIORITY) != nullptr) return;
  const rtattr* output = attribute(RTM_RTA(body), length, RTA_OIF);
  if (output != nullptr && *static_cast<uint32_t*>(RTA_DATA(output)) == found->ifindex) found->mine = true;
}

static int routeAdd(Netlink& netlink, uint32_t ifindex, in_addr gateway, uint16_t flags) {
  Message message(RTM_NEWROUTE, static_cast<uint16_t>(NLM_F_CREATE | flags));
  auto* body = message.body<rtmsg>();
  body->rtm_family = AF_INET;
  body->rtm_table = RT_TABLE_MAIN;
  body->rtm_protocol = RTPROT_BOOT;
  body->rtm_scope = RT_SCOPE_UNIVERSE;
  body->rtm_type = RTN_UNICAST;
  message.put(RTA_GATEWAY, &gateway, sizeof gateway);
  message.put(RTA_OIF, ifindex);
  return netlink.exchange(message);
}

void gatewaySet(Netlink& netlink, const std::string& ifname, const std::string& gateway) {
  in_addr address{};
  if (inet_pton(AF_INET, gateway.c_str(), &address) != 1) failInterface(EINVAL, "RTM_NEWROUTE", ifname);
  auto ifindex = static_cast<uint32_t>(interfaceIndex(ifname));
  int error = routeAdd(netlink, ifindex, address, NLM_F_EXCL);
  if (error == EEXIST) {
    // NLM_F_REPLACE would also replace the default route of another interface, the host's own way out among them.
    DefaultRoute found{ifindex, false};
    Message dump(RTM_GETROUTE, NLM_F_DUMP);
    dump.body<rtmsg>()->rtm_family = AF_INET;
    int dumped = netlink.exchange(dump, noteDefault, &found);
    if (dumped != 0) failInterface(dumped, "RTM_GETROUTE", ifname);
    if (found.mine) error = routeAdd(netlink, ifindex, address, NLM_F_REPLACE);
  }
  if (error != 0) failInterface(error, "RTM_NEWROUTE", ifname);
}

static void noteAddress(const nlmsghdr* answer, void* context) {
  if (answer->nlmsg_type != RTM_NEWADDR) return;
  auto* body = static_cast<ifaddrmsg*>(NLMSG_DATA(answer));
  const rtattr* local = attribute(IFA_RTA(body), static_cast<int>(IFA_PAYLOAD(answer)), IFA_LOCAL);
  char ifname[IF_NAMESIZE], address[INET_ADDRSTRLEN];
  if (local == nullptr || if_indextoname(body->ifa_index, ifname) == nullptr) return;
  if (inet_ntop(AF_INET, RTA_DATA(local), address, sizeof address) == nullptr) return;
  static_cast<std::vector<std::pair<std::string, std::string>>*>(context)->emplace_back(ifname, address);
}

// getifaddrs(3) and what builds on it pass over interfaces that are down; their addresses are taken all the same.
static Napi::Value addressList(const Napi::CallbackInfo& info) {
  std::vector<std::pair<std::string, std::string>> addresses;
  inNamespace(text(info[0]), [&] {
    Netlink netlink;
    Message message(RTM_GETADDR, NLM_F_DUMP);
    message.body<ifaddrmsg>()->ifa_family = AF_INET;
    int error = netlink.exchange(message, noteAddress, &addresses);
    // EINTR: an address came or went meanwhile.
    if (error != 0 && error != EINTR) throw SystemError{error, "RTM_GETADDR", "", ""};
  });
  Napi::Array array = Napi::Array::New(info.Env(), addresses.size());
  for (size_t index = 0; index < addresses.size(); index++) {
    Napi::Object object = Napi::Object::New(info.Env());
    object.Set("ifname", addresses[index].first);
    object.Set("address", addresses[index].second);
    array.Set(static_cast<uint32_t>(index), object);
  }
  return array;
}

void registerAddress(Napi::Env env, Napi::Object exports) { expose<addressList>(env, exports, "addressList"); }

}  // namespace bridgeport
