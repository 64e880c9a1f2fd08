// rtnetlink(7): one request, one answer. Nothing here allocates or throws, so that the reaper can use it after fork.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "addon.h"

namespace bridgeport {

// A request under construction. What does not fit is left out and remembered: the exchange then answers EMSGSIZE.
class Message {
 public:
  Message(uint16_t type, uint16_t flags);

  // The fixed part that follows the header, zeroed; to be called once, before any attribute.
  template <typename T>
  T* body() {
    return static_cast<T*>(extend(sizeof(T)));
  }
  void put(uint16_t type, const void* data, size_t length);
  void put(uint16_t type, uint32_t value) { put(type, &value, sizeof value); }
  void put(uint16_t type, const char* text);
  rtattr* nest(uint16_t type);
  void close(rtattr* nested);

  bool full() const { return full_; }
  nlmsghdr* header() { return reinterpret_cast<nlmsghdr*>(bytes_); }

 private:
  void* extend(size_t length);

  // The longest request is a link change: two names and an alias of 256 bytes.
  alignas(NLMSG_ALIGNTO) char bytes_[1024];
  bool full_ = false;
};

// A socket in the namespace of the thread that made it.
class Netlink {
 public:
  using Sink = void (*)(const nlmsghdr* answer, void* context);

  Netlink();
  // Sends and reads up to the acknowledgement; `sink` sees every message before it. Returns 0 or an errno.
  int exchange(Message& message, Sink sink = nullptr, void* context = nullptr);

 private:
  int drain(uint32_t sequence, Sink sink, void* context);

  Descriptor socket_;
  int error_ = 0;
  uint32_t sequence_ = 0;
};

// Sends one datagram of ready messages to the kernel, which acts on it before this returns; the socket, where the answers lie,
// goes to `opened` if wanted. Returns 0 or an errno.
int netlinkSend(int family, const void* request, size_t length, Descriptor* opened = nullptr);

// The attribute of that type in `length` bytes of attributes, or null.
const rtattr* attribute(const rtattr* first, int length, uint16_t type);

// The index of an interface in the calling thread's namespace; throws ENODEV with its name.
int interfaceIndex(const std::string& ifname);

// Gives an interface an IPv4 address (CIDR text); that it has it already is no error.
void addressAdd(Netlink& netlink, const std::string& ifname, const std::string& cidr);

// Makes `gateway` the default route over this interface. A default route over another one is left alone: EEXIST.
void gatewaySet(Netlink& netlink, const std::string& ifname, const std::string& gateway);

// Sets or clears flags of a link.
void linkFlags(Netlink& netlink, const std::string& ifname, unsigned flags, unsigned mask);

// Drops all that enters the host's stack through an interface; see ingress.cc.
void ingressDrop(const std::string& ifname);

}  // namespace bridgeport
