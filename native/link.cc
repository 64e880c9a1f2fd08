// Network interfaces over rtnetlink(7): RTM_GETLINK, RTM_SETLINK, RTM_DELLINK; IPv6 over /proc/sys/net.
#include <fcntl.h>
#include <net/if.h>
#include <unistd.h>

#include <cstdio>
#include <vector>

#include "cold.h"
#include "netlink.h"

namespace bridgeport {

struct Link {
  int ifindex = 0;
  unsigned flags = 0;
  uint32_t mtu = 0;
  std::string ifname, mac, alias, kind;
};

static std::string textOf(const rtattr* found) {
  if (found == nullptr) return "";
  auto* data = static_cast<const char*>(RTA_DATA(found));
  return std::string(data, strnlen(data, RTA_PAYLOAD(found)));
}

static std::string macOf(const rtattr* found) {
  char printed[18] = "";
  if (found != nullptr && RTA_PAYLOAD(found) == 6) {
    auto* byte = static_cast<const uint8_t*>(RTA_DATA(found));
    snprintf(printed, sizeof printed, "%02x:%02x:%02x:%02x:%02x:%02x", byte[0], byte[1], byte[2], byte[3], byte[4],
             byte[5]);
  }
  return printed;
}

static void collect(const nlmsghdr* answer, void* context) {
  if (answer->nlmsg_type != RTM_NEWLINK) return;
  auto* body = static_cast<ifinfomsg*>(NLMSG_DATA(answer));
  const rtattr* first = IFLA_RTA(body);
  int length = static_cast<int>(IFLA_PAYLOAD(answer));
  Link link;
  link.ifindex = body->ifi_index;
  link.flags = body->ifi_flags;
  link.ifname = textOf(attribute(first, length, IFLA_IFNAME));
  link.mac = macOf(attribute(first, length, IFLA_ADDRESS));
  link.alias = textOf(attribute(first, length, IFLA_IFALIAS));
  if (const rtattr* mtu = attribute(first, length, IFLA_MTU)) link.mtu = *static_cast<uint32_t*>(RTA_DATA(mtu));
  if (const rtattr* info = attribute(first, length, IFLA_LINKINFO))
    link.kind = textOf(
        attribute(static_cast<const rtattr*>(RTA_DATA(info)), static_cast<int>(RTA_PAYLOAD(info)), IFLA_INFO_KIND));
  static_cast<std::vector<Link>*>(context)->push_back(link);
}

static Napi::Object toObject(Napi::Env env, const Link& link) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("ifindex", link.ifindex);
  object.Set("ifname", link.ifname);
  object.Set("mac", link.mac);
  object.Set("mtu", link.mtu);
  object.Set("up", Napi::Boolean::New(env, (link.flags & IFF_UP) != 0));
  object.Set("carrier", Napi::Boolean::New(env, (link.flags & IFF_RUNNING) != 0));
  object.Set("alias", link.alias);
  object.Set("kind", link.kind);
  return object;
}

static Napi::Value linkGet(const Napi::CallbackInfo& info) {
  std::string ifname = interfaceName(text(info[1]), "RTM_GETLINK");
  std::vector<Link> links;
  inNamespace(text(info[0]), [&] {
    Netlink netlink;
    Message message(RTM_GETLINK, 0);
    message.body<ifinfomsg>();
    message.put(IFLA_IFNAME, ifname.c_str());
    int error = netlink.exchange(message, collect, &links);
    if (error != 0 && error != ENODEV) failInterface(error, "RTM_GETLINK", ifname);
  });
  if (links.empty()) return info.Env().Null();
  return toObject(info.Env(), links[0]);
}

static Napi::Value linkList(const Napi::CallbackInfo& info) {
  std::vector<Link> links;
  inNamespace(text(info[0]), [&] {
    // EINTR: a link came or went during the dump, which may have missed one. A machine that never rests gets the last.
    int error = EINTR;
    for (int attempt = 0; attempt < 8 && error == EINTR; attempt++) {
      links.clear();
      Netlink netlink;
      Message message(RTM_GETLINK, NLM_F_DUMP);
      message.body<ifinfomsg>();
      error = netlink.exchange(message, collect, &links);
    }
    if (error != 0 && error != EINTR) throw SystemError{error, "RTM_GETLINK", "", ""};
  });
  Napi::Array array = Napi::Array::New(info.Env(), links.size());
  for (size_t index = 0; index < links.size(); index++)
    array.Set(static_cast<uint32_t>(index), toObject(info.Env(), links[index]));
  return array;
}

static Napi::Value linkDelete(const Napi::CallbackInfo& info) {
  std::string ifname = interfaceName(text(info[1]), "RTM_DELLINK");
  int error = 0;
  inNamespace(text(info[0]), [&] {
    Netlink netlink;
    Message message(RTM_DELLINK, 0);
    message.body<ifinfomsg>();
    message.put(IFLA_IFNAME, ifname.c_str());
    error = netlink.exchange(message);
    if (error != 0 && error != ENODEV) failInterface(error, "RTM_DELLINK", ifname);
  });
  return Napi::Boolean::New(info.Env(), error == 0);
}

// A group of links that are about to go, of whichever switch: nobody else's number.
constexpr uint32_t kGoing = 0x62726467;  // "brdg"

// Unregistering a device takes the kernel some 20 ms of waiting for readers, and a whole group's no longer.
static Napi::Value linkSweep(const Napi::CallbackInfo& info) {
  Napi::Array array = info[1].As<Napi::Array>();
  std::vector<int> links;
  for (uint32_t index = 0; index < array.Length(); index++) links.push_back(array.Get(index).ToNumber().Int32Value());
  inNamespace(text(info[0]), [&] {
    Netlink netlink;
    for (int ifindex : links) {
      Message message(RTM_SETLINK, 0);
      message.body<ifinfomsg>()->ifi_index = ifindex;
      message.put(IFLA_GROUP, kGoing);
      int error = netlink.exchange(message);
      if (error != 0 && error != ENODEV) throw SystemError{error, "RTM_SETLINK group", "", ""};
    }
    Message message(RTM_DELLINK, 0);
    message.body<ifinfomsg>();
    message.put(IFLA_GROUP, kGoing);
    int error = netlink.exchange(message);
    if (error != 0 && error != ENODEV) throw SystemError{error, "RTM_DELLINK group", "", ""};
  });
  return info.Env().Undefined();
}

// One attribute a message, so that an error names what was refused.
template <typename... Value>
static void change(Netlink& netlink, const std::string& ifname, const char* what, uint16_t type, Value... value) {
  Message message(RTM_SETLINK, 0);
  message.body<ifinfomsg>()->ifi_index = interfaceIndex(ifname);
  message.put(type, value...);
  int error = netlink.exchange(message);
  if (error != 0) failInterface(error, what, ifname);
}

void linkFlags(Netlink& netlink, const std::string& ifname, unsigned flags, unsigned mask) {
  Message message(RTM_SETLINK, 0);
  auto* body = message.body<ifinfomsg>();
  body->ifi_index = interfaceIndex(ifname);
  body->ifi_flags = flags;
  body->ifi_change = mask;
  int error = netlink.exchange(message);
  if (error != 0) failInterface(error, "RTM_SETLINK flags", ifname);
}

static void setMac(Netlink& netlink, const std::string& ifname, const std::string& mac) {
  unsigned part[6];
  uint8_t byte[6];
  int end = 0;
  int count = sscanf(mac.c_str(), "%2x:%2x:%2x:%2x:%2x:%2x%n", &part[0], &part[1], &part[2], &part[3], &part[4], &part[5],
                     &end);
  if (count != 6 || static_cast<size_t>(end) != mac.size()) failInterface(EINVAL, "RTM_SETLINK mac", ifname);
  for (int index = 0; index < 6; index++) byte[index] = static_cast<uint8_t>(part[index]);
  change(netlink, ifname, "RTM_SETLINK mac", IFLA_ADDRESS, static_cast<const void*>(byte), sizeof byte);
}

// /proc/sys/net shows the namespace of the thread that looks. Without the file there is no IPv6 to turn off.
static void setIpv6(const std::string& ifname, bool on) {
  std::string path = "/proc/sys/net/ipv6/conf/" + ifname + "/disable_ipv6";
  Descriptor file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (file.get() < 0 && errno == ENOENT && !on) return;
  if (file.get() < 0) failPath(errno, "open", path);
  if (write(file.get(), on ? "0" : "1", 1) < 0) failPath(errno, "write", path);
}

static Napi::Value linkSet(const Napi::CallbackInfo& info) {
  Napi::Object options = info[0].As<Napi::Object>();
  std::string ifname = interfaceName(text(options, "ifname"), "RTM_SETLINK");
  std::string alias = text(options, "alias"), mac = text(options, "mac");
  std::string address = text(options, "address"), gateway = text(options, "gateway");
  bool hasMtu = given(options, "mtu"), hasUp = given(options, "up"), up = flag(options, "up");
  bool hasIpv6 = given(options, "ipv6"), ipv6 = flag(options, "ipv6");
  bool hasAlias = given(options, "alias"), hasArp = given(options, "arp"), arp = flag(options, "arp");
  auto mtu = static_cast<uint32_t>(hasMtu ? integer(options, "mtu") : 0);

  // The order is the one in which each step finds what it needs: IPv6 is off before the link comes up (or it would send
  // router solicitations), the address has its subnet's route once the link is up, and the gateway lies in that subnet.
  inNamespace(text(options, "netns"), [&] {
    Netlink netlink;
    if (hasAlias) change(netlink, ifname, "RTM_SETLINK alias", IFLA_IFALIAS, alias.c_str());
    if (!mac.empty()) setMac(netlink, ifname, mac);
    if (hasMtu) change(netlink, ifname, "RTM_SETLINK mtu", IFLA_MTU, mtu);
    if (hasIpv6) setIpv6(ifname, ipv6);
    if (hasArp) linkFlags(netlink, ifname, arp ? 0 : IFF_NOARP, IFF_NOARP);
    if (!address.empty()) addressAdd(netlink, ifname, address);
    if (hasUp) linkFlags(netlink, ifname, up ? IFF_UP : 0, IFF_UP);
    if (!gateway.empty()) gatewaySet(netlink, ifname, gateway);
  });
  return info.Env().Undefined();
}

static Napi::Value linkDropIngress(const Napi::CallbackInfo& info) {
  std::string ifname = interfaceName(text(info[1]), "RTM_NEWTFILTER");
  inNamespace(text(info[0]), [&] { ingressDrop(ifname); });
  return info.Env().Undefined();
}

void registerLink(Napi::Env env, Napi::Object exports) {
  expose<linkDelete>(env, exports, "linkDelete");
  expose<linkSweep>(env, exports, "linkSweep");
  expose<linkSet>(env, exports, "linkSet");
  expose<linkGet>(env, exports, "linkGet");
  expose<linkList>(env, exports, "linkList");
  expose<linkDropIngress>(env, exports, "linkDropIngress");
}

}  // namespace bridgeport
