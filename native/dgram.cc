// A frame a datagram, as QEMU's `-netdev dgram` has them. The socket is bound and not connected: the peer may come, go and come again.
// Whoever may write to the socket's file can send to it, so each datagram's sender is looked at.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>

#include "cold.h"
#include "wire.h"

namespace bridgeport {

// The length of a frame that somebody else than the peer sent; -1 is one that did not fit.
constexpr int32_t kForeign = -2;

struct Dgram {
  int fd;
  sockaddr_un peer;
  size_t pathLength;
};

// The kernel tells the name with which the sender's socket was bound, with or without its final zero byte.
static bool isPeer(const Dgram& dgram, const sockaddr_un& sender, socklen_t length) {
  if (length <= offsetof(sockaddr_un, sun_path)) return false;
  size_t held = strnlen(sender.sun_path, length - offsetof(sockaddr_un, sun_path));
  return held == dgram.pathLength && memcmp(sender.sun_path, dgram.peer.sun_path, held) == 0;
}

int receiveDgram(Binding* binding, int number, const int32_t* freeTop, int32_t* block, int capacity) {
  Dgram* dgram = numbered(binding->dgrams, number);
  if (dgram == nullptr) return -EBADF;
  mmsghdr messages[kBurst];
  iovec parts[kBurst];
  sockaddr_un senders[kBurst];
  for (int i = 0; i < capacity; i++) {
    parts[i] = {binding->frame(freeTop[-i]), kFrameMax};
    messages[i].msg_hdr = {&senders[i], sizeof senders[i], &parts[i], 1, nullptr, 0, 0};
  }
  int count = recvmmsg(dgram->fd, messages, static_cast<unsigned>(capacity), MSG_DONTWAIT, nullptr);
  if (count < 0) return errno == EAGAIN || errno == EINTR ? 0 : -errno;
  for (int i = 0; i < count; i++) {
    const msghdr& header = messages[i].msg_hdr;
    memset(binding->frame(freeTop[-i]) - kVnetHeader, 0, kVnetHeader);
    int32_t length = header.msg_flags & MSG_TRUNC ? -1 : static_cast<int32_t>(messages[i].msg_len);
    block[i] = freeTop[-i];
    block[kBurst + i] = isPeer(*dgram, senders[i], header.msg_namelen) ? length : kForeign;
  }
  return count;
}

int transmitDgram(Binding* binding, int number, int32_t* block, int count) {
  Dgram* dgram = numbered(binding->dgrams, number);
  mmsghdr messages[kBurst];
  iovec parts[kBurst];
  for (int i = 0; i < count && dgram != nullptr; i++) {
    parts[i] = {binding->frame(block[i]), static_cast<size_t>(block[kBurst + i])};
    messages[i].msg_hdr = {&dgram->peer, sizeof dgram->peer, &parts[i], 1, nullptr, 0, 0};
    block[2 * kBurst + i] = 0;
  }
  int sent = 0, error = dgram == nullptr ? EBADF : 0;
  for (int next = 0; next < count;) {
    int done = error != 0 ? 0 : sendmmsg(dgram->fd, messages + next, static_cast<unsigned>(count - next), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (done > 0) {
      sent += done;
      next += done;
      continue;
    }
    // A frame may be too long for the socket; whatever else is wrong, is wrong for all that follow.
    if (done < 0 && errno != EMSGSIZE) error = errno;
    block[2 * kBurst + next++] = done < 0 ? errno : error;
  }
  return sent;
}

// dgramOpen(fd, path): the calling thread's number for a bound socket whose peer's is bound to `path`.
static Napi::Value dgramOpen(const Napi::CallbackInfo& info) {
  auto dgram = std::make_shared<Dgram>();
  std::string path = text(info[1]);
  dgram->fd = info[0].As<Napi::Number>().Int32Value();
  dgram->peer = {};
  dgram->peer.sun_family = AF_UNIX;
  dgram->pathLength = path.size();
  if (path.size() >= sizeof dgram->peer.sun_path) failPath(ENAMETOOLONG, "sendmsg", path);
  memcpy(dgram->peer.sun_path, path.data(), path.size());
  return Napi::Number::New(info.Env(), number(bindingOf(info.Env())->dgrams, std::move(dgram)));
}

static Napi::Value dgramClose(const Napi::CallbackInfo& info) {
  auto& dgrams = bindingOf(info.Env())->dgrams;
  size_t number = info[0].As<Napi::Number>().Uint32Value();
  if (number < dgrams.size()) dgrams[number].reset();
  return info.Env().Undefined();
}

void registerDgram(Napi::Env env, Napi::Object exports) {
  expose<dgramOpen>(env, exports, "dgramOpen");
  expose<dgramClose>(env, exports, "dgramClose");
}

}  // namespace bridgeport
