// The addon's entry: every thread that loads it gets its own instance.
#include "addon.h"

#include <unistd.h>

namespace bridgeport {

// The symbolic names that users and Node know; the rest is printed as a number.
static const char* errorName(int error) {
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 32)
  const char* name = strerrorname_np(error);
  return name ? name : "EUNKNOWN";
#else
  return "EUNKNOWN";
#endif
}

void throwSystemError(Napi::Env env, const SystemError& failure) {
  std::string text = failure.syscall;
  if (!failure.subject.empty()) text += " " + failure.subject;
  text += std::string(": ") + errorName(failure.error) + ", " + strerror(failure.error);
  Napi::Error thrown = Napi::Error::New(env, text);
  thrown.Set("code", Napi::String::New(env, errorName(failure.error)));
  thrown.Set("syscall", Napi::String::New(env, failure.syscall));
  if (!failure.subjectKind.empty()) thrown.Set(failure.subjectKind, Napi::String::New(env, failure.subject));
  thrown.ThrowAsJavaScriptException();
}

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) close(fd_);
    fd_ = other.release();
  }
  return *this;
}

Descriptor::~Descriptor() {
  if (fd_ >= 0) close(fd_);
}

static Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  registerArena(env, exports);
  registerPoll(env, exports);
  registerBurst(env, exports);
  registerDevice(env, exports);
  registerAddress(env, exports);
  registerLink(env, exports);
  registerNamespace(env, exports);
  registerPacket(env, exports);
  registerReaper(env, exports);
  registerProcess(env, exports);
  registerRelay(env, exports);
  registerSocket(env, exports);
  registerRequest(env, exports);
  registerRing(env, exports);
  registerChannel(env, exports);
  registerWatch(env, exports);
  registerStream(env, exports);
  registerDgram(env, exports);
  registerFilter(env, exports);
  registerMapping(env, exports);
  registerGuest(env, exports);
  registerBell(env, exports);
  registerVring(env, exports);
  registerRecord(env, exports);
  return exports;
}

NODE_API_MODULE(bridgeport, initialise)

}  // namespace bridgeport
