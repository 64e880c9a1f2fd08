// What the files of the addon share: how a file registers its functions, and how a cold call fails.
#pragma once

#include <cerrno>
#include <cstring>
#include <string>

#include <napi.h>

namespace bridgeport {

// A failed system call on its way to JavaScript. `subjectKind` is "path" or "interface", or empty.
struct SystemError {
  int error;
  std::string syscall;
  std::string subjectKind;
  std::string subject;
};

// Throws `failure` as a JavaScript Error with code, syscall and the subject it was about.
void throwSystemError(Napi::Env env, const SystemError& failure);

// Owns a descriptor until it is released.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  Descriptor(const Descriptor&) = delete;
  ~Descriptor();
  int get() const { return fd_; }
  int release() {
    int fd = fd_;
    fd_ = -1;
    return fd;
  }

 private:
  int fd_;
};

// Each file adds its functions to the exports of the calling thread's instance; nothing is global.
void registerArena(Napi::Env env, Napi::Object exports);
void registerPoll(Napi::Env env, Napi::Object exports);
void registerBurst(Napi::Env env, Napi::Object exports);
void registerDevice(Napi::Env env, Napi::Object exports);
void registerAddress(Napi::Env env, Napi::Object exports);
void registerLink(Napi::Env env, Napi::Object exports);
void registerNamespace(Napi::Env env, Napi::Object exports);
void registerPacket(Napi::Env env, Napi::Object exports);
void registerReaper(Napi::Env env, Napi::Object exports);
void registerProcess(Napi::Env env, Napi::Object exports);
void registerRelay(Napi::Env env, Napi::Object exports);
void registerSocket(Napi::Env env, Napi::Object exports);
void registerRequest(Napi::Env env, Napi::Object exports);
void registerRing(Napi::Env env, Napi::Object exports);
void registerChannel(Napi::Env env, Napi::Object exports);
void registerWatch(Napi::Env env, Napi::Object exports);
void registerStream(Napi::Env env, Napi::Object exports);
void registerDgram(Napi::Env env, Napi::Object exports);
void registerFilter(Napi::Env env, Napi::Object exports);
void registerMapping(Napi::Env env, Napi::Object exports);
void registerGuest(Napi::Env env, Napi::Object exports);
void registerBell(Napi::Env env, Napi::Object exports);
void registerVring(Napi::Env env, Napi::Object exports);
void registerRecord(Napi::Env env, Napi::Object exports);

}  // namespace bridgeport
