// Network and mount namespaces: setns(2), unshare(2), mount(2), ioctl_ns(2).
#include <fcntl.h>
#include <linux/nsfs.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

#include <optional>
#include <system_error>
#include <thread>

#include "cold.h"
#include "netlink.h"

namespace bridgeport {

Descriptor namespaceOpen(const std::string& path) {
  Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) failPath(errno, "open", path);
  return file;
}

static void enter(const std::string& path) {
  Descriptor file = namespaceOpen(path);
  if (setns(file.get(), CLONE_NEWNET) < 0) failPath(errno, "setns", path);
}

void inNamespace(const std::string& path, const std::function<void()>& work) {
  if (path.empty()) return work();
  std::optional<SystemError> failure;
  try {
    std::thread([&] {
      try {
        enter(path);
        work();
      } catch (const SystemError& caught) {
        failure = caught;
      }
    }).join();
  } catch (const std::system_error& caught) {
    failPath(caught.code().value(), "clone", path);
  }
  if (failure) throw *failure;
}

static Napi::Value namespaceExists(const Napi::CallbackInfo& info) {
  std::string path = text(info[0]);
  Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) {
    // ESRCH: the process whose /proc entry this is has ended.
    if (errno == ENOENT || errno == ENOTDIR || errno == ESRCH) return Napi::Boolean::New(info.Env(), false);
    failPath(errno, "open", path);
  }
  // ENOTTY: an ordinary file, such as the mount point that `ip netns` leaves when its namespace was unmounted.
  return Napi::Boolean::New(info.Env(), ioctl(file.get(), NS_GET_NSTYPE) == CLONE_NEWNET);
}

// Node's other threads (those of asynchronous file calls and of DNS look-ups) stay where they were; threads and
// processes that the calling thread starts afterwards are in the new namespaces.
static Napi::Value namespaceUnshare(const Napi::CallbackInfo& info) {
  if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0) throw SystemError{errno, "unshare", "", ""};
  if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0) failPath(errno, "mount", "/");
  Netlink netlink;
  linkFlags(netlink, "lo", IFF_UP, IFF_UP);
  return info.Env().Undefined();
}

static Napi::Value namespaceEnter(const Napi::CallbackInfo& info) {
  enter(text(info[0]));
  return info.Env().Undefined();
}

static Napi::Value mountBind(const Napi::CallbackInfo& info) {
  std::string source = text(info[0]), target = text(info[1]);
  if (mount(source.c_str(), target.c_str(), nullptr, MS_BIND, nullptr) < 0) failPath(errno, "mount", target);
  return info.Env().Undefined();
}

void registerNamespace(Napi::Env env, Napi::Object exports) {
  expose<namespaceExists>(env, exports, "namespaceExists");
  expose<namespaceUnshare>(env, exports, "namespaceUnshare");
  expose<namespaceEnter>(env, exports, "namespaceEnter");
  expose<mountBind>(env, exports, "mountBind");
}

}  // namespace bridgeport
