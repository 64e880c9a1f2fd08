// rtnetlink(7) over an AF_NETLINK socket: building a request, and reading its answer up to the acknowledgement.
#include "netlink.h"

#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cold.h"

namespace bridgeport {

Message::Message(uint16_t type, uint16_t flags) {
  memset(bytes_, 0, sizeof bytes_);
  header()->nlmsg_len = NLMSG_HDRLEN;
  header()->nlmsg_type = type;
  header()->nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
}

void* Message::extend(size_t length) {
  size_t at = NLMSG_ALIGN(header()->nlmsg_len);
  if (at + NLMSG_ALIGN(length) > sizeof bytes_) {
    full_ = true;
    return nullptr;
  }
  header()->nlmsg_len = static_cast<uint32_t>(at + length);
  return bytes_ + at;
}

void Message::put(uint16_t type, const void* data, size_t length) {
  auto* slot = static_cast<rtattr*>(extend(RTA_LENGTH(length)));
  if (slot == nullptr) return;
  slot->rta_type = type;
  slot->rta_len = static_cast<uint16_t>(RTA_LENGTH(length));
  if (length > 0) memcpy(RTA_DATA(slot), data, length);
}

void Message::put(uint16_t type, const char* text) { put(type, text, strlen(text) + 1); }

rtattr* Message::nest(uint16_t type) {
  auto* slot = static_cast<rtattr*>(extend(RTA_LENGTH(0)));
  if (slot != nullptr) slot->rta_type = static_cast<uint16_t>(type | NLA_F_NESTED);
  return slot;
}

void Message::close(rtattr* nested) {
  if (nested != nullptr)
    nested->rta_len = static_cast<uint16_t>(bytes_ + header()->nlmsg_len - reinterpret_cast<char*>(nested));
}

Netlink::Netlink() : socket_(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)) {
  if (socket_.get() < 0) error_ = errno;
}

int Netlink::exchange(Message& message, Sink sink, void* context) {
  if (error_ != 0) return error_;
  if (message.full()) return EMSGSIZE;
  nlmsghdr* header = message.header();
  header->nlmsg_seq = ++sequence_;
  // A dump ends with NLMSG_DONE, everything else with the acknowledgement that is asked for here.
  if ((header->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP) header->nlmsg_flags |= NLM_F_ACK;
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  auto* to = reinterpret_cast<sockaddr*>(&kernel);
  if (sendto(socket_.get(), header, header->nlmsg_len, 0, to, sizeof kernel) < 0) return errno;
  return drain(header->nlmsg_seq, sink, context);
}

int Netlink::drain(uint32_t sequence, Sink sink, void* context) {
  // The kernel fills at most 32 KiB at a time, however large the buffer (netlink_dump in af_netlink.c).
  alignas(NLMSG_ALIGNTO) char bytes[32768];
  bool interrupted = false;
  for (;;) {
    ssize_t got = recv(socket_.get(), bytes, sizeof bytes, MSG_TRUNC);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno;
    if (static_cast<size_t>(got) > sizeof bytes) return EMSGSIZE;
    auto left = static_cast<unsigned>(got);
    for (auto* at = reinterpret_cast<nlmsghdr*>(bytes); NLMSG_OK(at, left); at = NLMSG_NEXT(at, left)) {
      if (at->nlmsg_seq != sequence) continue;
      if (at->nlmsg_flags & NLM_F_DUMP_INTR) interrupted = true;
      if (at->nlmsg_type == NLMSG_DONE) return interrupted ? EINTR : 0;
      if (at->nlmsg_type == NLMSG_ERROR) return -static_cast<nlmsgerr*>(NLMSG_DATA(at))->error;
      if (sink != nullptr) sink(at, context);
    }
  }
}

const rtattr* attribute(const rtattr* first, int length, uint16_t type) {
  for (; RTA_OK(first, length); first = RTA_NEXT(first, length))
    if ((first->rta_type & NLA_TYPE_MASK) == type) return first;
  return nullptr;
}

int interfaceIndex(const std::string& ifname) {
  unsigned index = if_nametoindex(ifname.c_str());
  if (index == 0) failInterface(errno, "if_nametoindex", ifname);
  return static_cast<int>(index);
}

const std::string& interfaceName(const std::string& ifname, const char* syscall) {
  // dev_valid_name() in net/core/dev.c, and no '%': TUNSETIFF and a rename would number such a name.
  bool valid = !ifname.empty() && ifname.size() < IFNAMSIZ && ifname != "." && ifname != "..";
  for (unsigned char letter : ifname)
    if (letter == '/' || letter == ':' || letter == '%' || isspace(letter)) valid = false;
  if (!valid) failInterface(EINVAL, syscall, ifname);
  return ifname;
}

}  // namespace bridgeport
