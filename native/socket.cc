// Sockets of the daemon in a namespace, and the private namespace that some of them live in: socket(2), bind(2), unshare(2).
#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>

#include <optional>
#include <system_error>
#include <thread>

#include "cold.h"
#include "netlink.h"

namespace bridgeport {

struct Place {
  std::string netns, name;
  bool stream;
  sockaddr_in address;
};

static Place placeOf(Napi::Object options) {
  Place place;
  place.netns = text(options, "netns");
  place.stream = text(options, "protocol") == "tcp";
  std::string address = text(options, "address");
  int port = integer(options, "port");
  place.name = (address.empty() ? "0.0.0.0" : address) + ":" + std::to_string(port);
  place.address = {};
  place.address.sin_family = AF_INET;
  place.address.sin_port = htons(static_cast<uint16_t>(port));
  if (port < 0 || port > 65535 ||
      (!address.empty() && inet_pton(AF_INET, address.c_str(), &place.address.sin_addr) != 1))
    throw SystemError{EINVAL, "bind", "", place.name};
  return place;
}

// Binds, and listens for TCP. A socket stays in the namespace in which it was made, whoever uses it.
static Descriptor open(const Place& place) {
  int kind = (place.stream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC;
  Descriptor fd(socket(AF_INET, kind, 0));
  if (fd.get() < 0) throw SystemError{errno, "socket", "", place.name};
  int on = 1;
  // Connections of an earlier socket that wait for their last packets do not stand in the way. Never for UDP: two could share a port.
  if (place.stream && setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0)
    throw SystemError{errno, "setsockopt", "", place.name};
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&place.address), sizeof place.address) < 0)
    throw SystemError{errno, "bind", "", place.name};
  // The kernel cuts it down to net.core.somaxconn.
  if (place.stream && listen(fd.get(), 4096) < 0) throw SystemError{errno, "listen", "", place.name};
  return fd;
}

static Napi::Value socketOpen(const Napi::CallbackInfo& info) {
  Place place = placeOf(info[0].As<Napi::Object>());
  Descriptor fd;
  inNamespace(place.netns, [&] { fd = open(place); });
  return Napi::Number::New(info.Env(), fd.release());
}

// A namespace without a name: it lives as long as the descriptor, or a socket or device in it, and goes with the process.
static Napi::Value namespaceCreate(const Napi::CallbackInfo& info) {
  Descriptor file;
  std::optional<SystemError> failure;
  try {
    std::thread([&] {
      try {
        if (unshare(CLONE_NEWNET) < 0) throw SystemError{errno, "unshare", "", ""};
        Netlink netlink;
        linkFlags(netlink, "lo", IFF_UP, IFF_UP);
        file = namespaceOpen("/proc/thread-self/ns/net");
      } catch (const SystemError& caught) {
        failure = caught;
      }
    }).join();
  } catch (const std::system_error& caught) {
    throw SystemError{caught.code().value(), "clone", "", ""};
  }
  if (failure) throw *failure;
  return Napi::Number::New(info.Env(), file.release());
}

void registerSocket(Napi::Env env, Napi::Object exports) {
  expose<socketOpen>(env, exports, "socketOpen");
  expose<namespaceCreate>(env, exports, "namespaceCreate");
}

}  // namespace bridgeport
