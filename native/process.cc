// What a daemon asks of the system beside its network: sd_notify(3)'s datagram, close(2), poll(2), getpwnam(3).
#include <poll.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <system_error>
#include <thread>
#include <vector>

#include "cold.h"

namespace bridgeport {

static Napi::Value systemdNotify(const Napi::CallbackInfo& info) {
  std::string path = text(info[0]), state = text(info[1]);
  if (path.empty()) return Napi::Boolean::New(info.Env(), false);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() > sizeof address.sun_path) failPath(ENAMETOOLONG, "sendto", path);
  memcpy(address.sun_path, path.data(), path.size());
  // sd_notify(3): "If the first character of $NOTIFY_SOCKET is "@", the string is understood as Linux abstract
  // namespace socket."
  if (path[0] == '@') address.sun_path[0] = '\0';
  Descriptor fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (fd.get() < 0) failPath(errno, "socket", path);
  auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  if (sendto(fd.get(), state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<sockaddr*>(&address), length) < 0)
    failPath(errno, "sendto", path);
  return Napi::Boolean::New(info.Env(), true);
}

static Napi::Value descriptorClose(const Napi::CallbackInfo& info) {
  // EINTR closes all the same on Linux, and a second close could hit another thread's new descriptor.
  if (close(info[0].As<Napi::Number>().Int32Value()) < 0 && errno != EINTR) throw SystemError{errno, "close", "", ""};
  return info.Env().Undefined();
}

// A TAP or a packet socket that is closed waits until no processor reads of it, some 15 ms; sixteen wait as long as one.
constexpr size_t kClosers = 16;

static Napi::Value descriptorsClose(const Napi::CallbackInfo& info) {
  Napi::Array array = info[0].As<Napi::Array>();
  std::vector<int> fds;
  for (uint32_t index = 0; index < array.Length(); index++) fds.push_back(array.Get(index).ToNumber().Int32Value());
  std::atomic<size_t> next{0};
  std::atomic<int> error{0};
  auto work = [&] {
    for (size_t index = next++; index < fds.size(); index = next++)
      if (close(fds[index]) < 0 && errno != EINTR) error = errno;
  };
  std::vector<std::thread> threads;
  try {
    for (size_t count = 1; count < std::min(kClosers, fds.size()); count++) threads.emplace_back(work);
  } catch (const std::system_error&) {
    // Those that there are close all of them, and be it this one alone.
  }
  work();
  for (std::thread& thread : threads) thread.join();
  if (error != 0) throw SystemError{error, "close", "", ""};
  return info.Env().Undefined();
}

static Napi::Value descriptorTakes(const Napi::CallbackInfo& info) {
  pollfd asked{info[0].As<Napi::Number>().Int32Value(), POLLOUT, 0};
  // EINTR: a signal came first, and nothing is known.
  bool takes = poll(&asked, 1, 0) == 1 && asked.revents == POLLOUT;
  return Napi::Boolean::New(info.Env(), takes);
}

static Napi::Value userId(const Napi::CallbackInfo& info) {
  std::string name = text(info[0]);
  passwd entry;
  passwd* found = nullptr;
  std::vector<char> buffer(1024);
  int error;
  // ERANGE: the entry does not fit; 1 MiB is more than any.
  while ((error = getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found)) == ERANGE &&
         buffer.size() < (1u << 20))
    buffer.resize(buffer.size() * 2);
  if (found == nullptr) throw SystemError{error != 0 ? error : ENOENT, "getpwnam", "", name};
  return Napi::Number::New(info.Env(), entry.pw_uid);
}

void registerProcess(Napi::Env env, Napi::Object exports) {
  expose<systemdNotify>(env, exports, "systemdNotify");
  expose<descriptorClose>(env, exports, "descriptorClose");
  expose<descriptorsClose>(env, exports, "descriptorsClose");
  expose<descriptorTakes>(env, exports, "descriptorTakes");
  expose<userId>(env, exports, "userId");
}

}  // namespace bridgeport
