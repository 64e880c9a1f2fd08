// What the files with cold calls share: failing, reading an options object, and working in a namespace.
#pragma once

#include <functional>
#include <string>

#include "addon.h"

namespace bridgeport {

// Turns a SystemError that `call` throws into the JavaScript exception; no other C++ exception leaves a cold call.
template <Napi::Value (*call)(const Napi::CallbackInfo&)>
Napi::Value cold(const Napi::CallbackInfo& info) {
  try {
    return call(info);
  } catch (const SystemError& failure) {
    throwSystemError(info.Env(), failure);
    return info.Env().Undefined();
  }
}

// Adds `call` to the exports under `name`; `data` is what info.Data() returns inside.
template <Napi::Value (*call)(const Napi::CallbackInfo&)>
void expose(Napi::Env env, Napi::Object exports, const char* name, void* data = nullptr) {
  exports.Set(name, Napi::Function::New<cold<call>>(env, name, data));
}

[[noreturn]] inline void failInterface(int error, const char* syscall, const std::string& ifname) {
  throw SystemError{error, syscall, "interface", ifname};
}

[[noreturn]] inline void failPath(int error, const char* syscall, const std::string& path) {
  throw SystemError{error, syscall, "path", path};
}

// An argument or property as text; '' when it is absent.
inline std::string text(Napi::Value value) {
  return value.IsString() ? value.As<Napi::String>().Utf8Value() : std::string();
}

inline std::string text(Napi::Object options, const char* key) { return text(options.Get(key)); }

inline bool given(Napi::Object options, const char* key) { return !options.Get(key).IsUndefined(); }

inline bool flag(Napi::Object options, const char* key) { return options.Get(key).ToBoolean().Value(); }

inline int32_t integer(Napi::Object options, const char* key) { return options.Get(key).ToNumber().Int32Value(); }

// Refuses with EINVAL what the kernel would refuse as a name, cut short, or take for a pattern ("tap%d").
const std::string& interfaceName(const std::string& ifname, const char* syscall);

// Opens a namespace file; throws open's error with the path.
Descriptor namespaceOpen(const std::string& path);

// Runs `work` in the network namespace of the file `path` ('' is the caller's own) and returns when it is done. A
// namespace belongs to a thread, so a thread is made for it and ended with it; what `work` throws is thrown here.
void inNamespace(const std::string& path, const std::function<void()>& work);

}  // namespace bridgeport
