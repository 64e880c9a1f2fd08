// Unix sockets to which guests and other processes attach: unix(7), SCM_RIGHTS, and a memfd for who wants one.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <vector>

#include "cold.h"

namespace bridgeport {

// SCM_MAX_FD of the kernel: no message brings more descriptors, so none is cut off here.
constexpr size_t kDescriptors = 253;

// An address of the file system; the abstract name space (a leading zero byte) has no owner and no mode.
static sockaddr_un addressOf(const std::string& path, const char* syscall) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.find('\0') != std::string::npos) failPath(EINVAL, syscall, path);
  if (path.size() >= sizeof address.sun_path) failPath(ENAMETOOLONG, syscall, path);
  memcpy(address.sun_path, path.data(), path.size());
  return address;
}

static Descriptor open(int type, const std::string& path) {
  Descriptor fd(socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (fd.get() < 0) failPath(errno, "socket", path);
  return fd;
}

static int join(int fd, const sockaddr_un& address) {
  return connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

// Removes a socket that nobody holds any more. What is no socket is nobody's business here, and a live one is its owner's.
static void clear(int type, const sockaddr_un& address, const std::string& path) {
  struct stat status;
  if (lstat(path.c_str(), &status) < 0) return;
  if (!S_ISSOCK(status.st_mode)) failPath(EEXIST, "bind", path);
  Descriptor probe = open(type, path);
  // EAGAIN: somebody listens and is busy; EPROTOTYPE: somebody is there who speaks otherwise. Only a refusal means nobody.
  int error = join(probe.get(), address) < 0 ? errno : 0;
  if (error == ENOENT) return;
  if (error == EACCES) failPath(error, "connect", path);
  if (error != ECONNREFUSED) failPath(EADDRINUSE, "bind", path);
  if (unlink(path.c_str()) < 0 && errno != ENOENT) failPath(errno, "unlink", path);
}

// Gives the socket's file to its owner. It is looked up once, and no link is followed: a guest may own the folder.
static void grant(const std::string& path, mode_t mode, int owner) {
  Descriptor file(::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat status;
  if (file.get() < 0 || fstat(file.get(), &status) < 0) failPath(errno, "open", path);
  if (!S_ISSOCK(status.st_mode)) failPath(EEXIST, "open", path);
  if (owner >= 0 && status.st_uid != static_cast<uid_t>(owner) &&
      fchownat(file.get(), "", static_cast<uid_t>(owner), static_cast<gid_t>(-1), AT_EMPTY_PATH) < 0)
    failPath(errno, "chown", path);
  std::string link = "/proc/self/fd/" + std::to_string(file.get());
  if (chmod(link.c_str(), mode) < 0) failPath(errno, "chmod", path);
}

static Napi::Value unixListen(const Napi::CallbackInfo& info) {
  auto options = info[0].As<Napi::Object>();
  std::string path = text(options, "path");
  int type = text(options, "kind") == "dgram" ? SOCK_DGRAM : SOCK_STREAM;
  sockaddr_un address = addressOf(path, "bind");
  clear(type, address, path);
  Descriptor fd = open(type, path);
  // bind(2) makes the file with the mode that the socket has by then: nobody gets in before its owner is known.
  if (fchmod(fd.get(), 0) < 0) failPath(errno, "fchmod", path);
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) failPath(errno, "bind", path);
  try {
    grant(path, static_cast<mode_t>(integer(options, "mode")) & 0777, integer(options, "owner"));
    // One peer is served and the next ones wait; who finds no room is told so and tries again.
    if (type == SOCK_STREAM && listen(fd.get(), 8) < 0) failPath(errno, "listen", path);
  } catch (const SystemError&) {
    unlink(path.c_str());
    throw;
  }
  return Napi::Number::New(info.Env(), fd.release());
}

static Napi::Value unixConnect(const Napi::CallbackInfo& info) {
  std::string path = text(info[0]);
  sockaddr_un address = addressOf(path, "connect");
  Descriptor fd = open(SOCK_STREAM, path);
  if (join(fd.get(), address) < 0) failPath(errno, "connect", path);
  return Napi::Number::New(info.Env(), fd.release());
}

static Napi::Value unixAccept(const Napi::CallbackInfo& info) {
  int fd = accept4(info[0].As<Napi::Number>().Int32Value(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) throw SystemError{errno, "accept", "", ""};
  return Napi::Number::New(info.Env(), fd);
}

// Takes the descriptors out of a message.
static std::vector<Descriptor> descriptorsOf(msghdr& message) {
  std::vector<Descriptor> found;
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; i++) {
      int fd;
      memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
      found.emplace_back(fd);
    }
  }
  return found;
}

static Napi::Value unixReceive(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto bytes = Napi::Buffer<uint8_t>::New(env, info[1].As<Napi::Number>().Uint32Value());
  iovec part{bytes.Data(), bytes.Length()};
  alignas(cmsghdr) uint8_t control[CMSG_SPACE(kDescriptors * sizeof(int))];
  msghdr message{nullptr, 0, &part, 1, control, sizeof control, 0};
  ssize_t got = recvmsg(info[0].As<Napi::Number>().Int32Value(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return env.Null();
  if (got < 0 && errno != ECONNRESET) throw SystemError{errno, "recvmsg", "", ""};
  if (got < 0) got = message.msg_controllen = 0;
  std::vector<Descriptor> descriptors = descriptorsOf(message);
  // This process has no room for all of them, so who sent them cannot be served: those that came are closed here.
  if (message.msg_flags & MSG_CTRUNC) throw SystemError{EMFILE, "recvmsg", "", ""};
  auto fds = Napi::Array::New(env, descriptors.size());
  for (size_t i = 0; i < descriptors.size(); i++) fds.Set(static_cast<uint32_t>(i), descriptors[i].release());
  auto result = Napi::Object::New(env);
  auto length = static_cast<size_t>(got);
  result.Set("bytes", length == bytes.Length() ? bytes : Napi::Buffer<uint8_t>::Copy(env, bytes.Data(), length));
  result.Set("fds", fds);
  return result;
}

static Napi::Value unixSend(const Napi::CallbackInfo& info) {
  auto bytes = info[1].As<Napi::Uint8Array>();
  auto fds = info[2].As<Napi::Array>();
  if (fds.Length() > kDescriptors) throw SystemError{EINVAL, "sendmsg", "", ""};
  iovec part{bytes.Data(), bytes.ByteLength()};
  alignas(cmsghdr) uint8_t control[CMSG_SPACE(kDescriptors * sizeof(int))] = {};
  msghdr message{nullptr, 0, &part, 1, nullptr, 0, 0};
  if (fds.Length() > 0) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(fds.Length() * sizeof(int));
    cmsghdr* rights = CMSG_FIRSTHDR(&message);
    *rights = {CMSG_LEN(fds.Length() * sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
    for (uint32_t i = 0; i < fds.Length(); i++) {
      int fd = fds.Get(i).As<Napi::Number>().Int32Value();
      memcpy(CMSG_DATA(rights) + i * sizeof fd, &fd, sizeof fd);
    }
  }
  ssize_t sent = sendmsg(info[0].As<Napi::Number>().Int32Value(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN && errno != EINTR) throw SystemError{errno, "sendmsg", "", ""};
  // A short message goes whole or not at all; who lets a long one be cut has lost the thread.
  if (sent >= 0 && static_cast<size_t>(sent) < part.iov_len) throw SystemError{EMSGSIZE, "sendmsg", "", ""};
  return Napi::Boolean::New(info.Env(), sent >= 0);
}

static Napi::Value memoryCreate(const Napi::CallbackInfo& info) {
  std::string name = text(info[0]);
  Descriptor fd(memfd_create(name.c_str(), MFD_CLOEXEC));
  if (fd.get() < 0) failPath(errno, "memfd_create", name);
  if (ftruncate(fd.get(), info[1].As<Napi::Number>().Int64Value()) < 0) failPath(errno, "ftruncate", name);
  return Napi::Number::New(info.Env(), fd.release());
}

void registerChannel(Napi::Env env, Napi::Object exports) {
  expose<unixListen>(env, exports, "unixListen");
  expose<unixConnect>(env, exports, "unixConnect");
  expose<unixAccept>(env, exports, "unixAccept");
  expose<unixReceive>(env, exports, "unixReceive");
  expose<unixSend>(env, exports, "unixSend");
  expose<memoryCreate>(env, exports, "memoryCreate");
}

}  // namespace bridgeport
