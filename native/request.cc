// Netlink for messages that TypeScript builds: one datagram out, everything that answers it back, up to the end.
//
// A dump ends with NLMSG_DONE, every other request with the acknowledgement of its last message, which has to ask for it
// (NLM_F_ACK). A batch of nfnetlink (NFNL_MSG_BATCH_BEGIN … END) is one datagram: the kernel applies all of it or nothing and
// answers each message that failed; BEGIN itself is answered when the rights or the subsystem are missing.
#include <linux/netfilter_ipv4/ip_tables.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <vector>

#include "cold.h"
#include "netlink.h"

namespace bridgeport {

// The kernel answers during sendto; a second without an answer is a message that asked for none.
constexpr timeval kPatience = {1, 0};

int netlinkSend(int family, const void* request, size_t length, Descriptor* opened) {
  Descriptor made(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, family));
  if (made.get() < 0) return errno;
  setsockopt(made.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  if (sendto(made.get(), request, length, 0, reinterpret_cast<sockaddr*>(&kernel), sizeof kernel) < 0) return errno;
  if (opened != nullptr) *opened = std::move(made);
  return 0;
}

static uint32_t lastSequence(const std::vector<uint8_t>& request) {
  uint32_t sequence = 0;
  auto left = static_cast<unsigned>(request.size());
  for (auto* at = reinterpret_cast<const nlmsghdr*>(request.data()); NLMSG_OK(at, left);
       at = NLMSG_NEXT(const_cast<nlmsghdr*>(at), left))
    if (at->nlmsg_flags & NLM_F_ACK) sequence = at->nlmsg_seq;
  return sequence;
}

// Appends the answers to `answer`; returns 0 or the first errno that the kernel named.
static int collect(int fd, uint32_t last, std::vector<uint8_t>* answer) {
  alignas(NLMSG_ALIGNTO) uint8_t bytes[32768];
  for (;;) {
    ssize_t got = recv(fd, bytes, sizeof bytes, MSG_TRUNC);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno == EAGAIN ? ETIMEDOUT : errno;
    if (static_cast<size_t>(got) > sizeof bytes) return EMSGSIZE;
    auto left = static_cast<unsigned>(got);
    for (auto* at = reinterpret_cast<nlmsghdr*>(bytes); NLMSG_OK(at, left); at = NLMSG_NEXT(at, left)) {
      if (at->nlmsg_type == NLMSG_DONE) return 0;
      if (at->nlmsg_type != NLMSG_ERROR) {
        auto* first = reinterpret_cast<uint8_t*>(at);
        answer->insert(answer->end(), first, first + NLMSG_ALIGN(at->nlmsg_len));
        continue;
      }
      int error = -static_cast<nlmsgerr*>(NLMSG_DATA(at))->error;
      if (error != 0 || at->nlmsg_seq == last) return error;
    }
  }
}

static std::vector<uint8_t> bytesOf(Napi::Value value) {
  auto array = value.As<Napi::Uint8Array>();
  return std::vector<uint8_t>(array.Data(), array.Data() + array.ByteLength());
}

// netlinkRequest(netns, family, request, subject): the answers, one after the other.
static Napi::Value netlinkRequest(const Napi::CallbackInfo& info) {
  int family = info[1].As<Napi::Number>().Int32Value();
  std::vector<uint8_t> request = bytesOf(info[2]), answer;
  std::string subject = text(info[3]);
  inNamespace(text(info[0]), [&] {
    Descriptor opened;
    int error = netlinkSend(family, request.data(), request.size(), &opened);
    if (error == 0) error = collect(opened.get(), lastSequence(request), &answer);
    if (error != 0) throw SystemError{error, "netlink", "", subject};
  });
  return Napi::Buffer<uint8_t>::Copy(info.Env(), answer.data(), answer.size());
}

// iptablesEntries(netns, table): the struct ipt_get_entries' rules and the offsets of the built-in chains, as ip_tables has
// them, or null where the table is not loaded. Asking for a table loads it: the caller looks into /proc/net first.
static Napi::Value iptablesEntries(const Napi::CallbackInfo& info) {
  std::string table = text(info[1]);
  std::vector<uint8_t> bytes;
  ipt_getinfo about{};
  if (table.size() >= sizeof about.name) failPath(ENAMETOOLONG, "getsockopt", table);
  inNamespace(text(info[0]), [&] {
    Descriptor opened(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW));
    if (opened.get() < 0) throw SystemError{errno, "socket", "", table};
    memcpy(about.name, table.c_str(), table.size());
    socklen_t length = sizeof about;
    if (getsockopt(opened.get(), IPPROTO_IP, IPT_SO_GET_INFO, &about, &length) < 0)
      throw SystemError{errno, "IPT_SO_GET_INFO", "", table};
    bytes.resize(sizeof(ipt_get_entries) + about.size);
    auto* entries = reinterpret_cast<ipt_get_entries*>(bytes.data());
    memcpy(entries->name, about.name, sizeof entries->name);
    entries->size = about.size;
    length = static_cast<socklen_t>(bytes.size());
    if (getsockopt(opened.get(), IPPROTO_IP, IPT_SO_GET_ENTRIES, entries, &length) < 0)
      throw SystemError{errno, "IPT_SO_GET_ENTRIES", "", table};
  });
  Napi::Object object = Napi::Object::New(info.Env());
  constexpr size_t at = offsetof(ipt_get_entries, entrytable);
  object.Set("entries", Napi::Buffer<uint8_t>::Copy(info.Env(), bytes.data() + at, bytes.size() - at));
  object.Set("forwardAt", about.hook_entry[NF_INET_FORWARD]);
  return object;
}

void registerRequest(Napi::Env env, Napi::Object exports) {
  expose<netlinkRequest>(env, exports, "netlinkRequest");
  expose<iptablesEntries>(env, exports, "iptablesEntries");
}

}  // namespace bridgeport
