// The arena: a memfd that every thread maps for itself (memfd_create(2), mmap(2)), and eventfd(2) doorbells.
#include "addon.h"
#include "binding.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

namespace bridgeport {

Binding* bindingOf(napi_env env) {
  void* data = nullptr;
  napi_get_instance_data(env, &data);
  if (data == nullptr) {
    data = new Binding();
    napi_set_instance_data(
        env, data, [](napi_env, void* binding, void*) { delete static_cast<Binding*>(binding); }, nullptr);
  }
  return static_cast<Binding*>(data);
}

static Napi::Value fail(Napi::Env env, const char* syscall, const std::string& path) {
  throwSystemError(env, {errno, syscall, path.empty() ? "" : "path", path});
  return env.Undefined();
}

static Napi::Value arenaCreate(const Napi::CallbackInfo& info) {
  std::string name = info[0].As<Napi::String>();
  int64_t length = info[1].As<Napi::Number>().Int64Value();
  Descriptor fd(memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (fd.get() < 0) return fail(info.Env(), "memfd_create", name);
  if (ftruncate(fd.get(), length) < 0) return fail(info.Env(), "ftruncate", name);
  // A holder of the descriptor may map it, but never shrink it under us.
  if (fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0) return fail(info.Env(), "fcntl", name);
  return Napi::Number::New(info.Env(), fd.release());
}

static Napi::Value arenaMap(const Napi::CallbackInfo& info) {
  int fd = info[0].As<Napi::Number>().Int32Value();
  size_t length = static_cast<size_t>(info[1].As<Napi::Number>().Int64Value());
  void* at = mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
  if (at == MAP_FAILED) return fail(info.Env(), "mmap", "arena");
  // Large pages where the kernel grants them: a 64 KiB frame then costs one TLB entry, not sixteen.
  madvise(at, length, MADV_HUGEPAGE);
  return Napi::ArrayBuffer::New(
      info.Env(), at, length, [](Napi::Env, void* data, size_t* size) { munmap(data, *size), delete size; },
      new size_t(length));
}

static Napi::Value arenaPunch(const Napi::CallbackInfo& info) {
  int fd = info[0].As<Napi::Number>().Int32Value();
  int64_t at = info[1].As<Napi::Number>().Int64Value();
  int64_t length = info[2].As<Napi::Number>().Int64Value();
  if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, length) < 0) return fail(info.Env(), "fallocate", "arena");
  return info.Env().Undefined();
}

static Napi::Value arenaBind(const Napi::CallbackInfo& info) {
  Napi::Uint8Array view = info[0].As<Napi::Uint8Array>();
  Binding* binding = bindingOf(info.Env());
  binding->arena = view.Data();
  binding->length = view.ByteLength();
  binding->poolAt = static_cast<size_t>(info[1].As<Napi::Number>().Int64Value());
  binding->stride = static_cast<size_t>(info[2].As<Napi::Number>().Int64Value());
  binding->dataAt = static_cast<size_t>(info[3].As<Napi::Number>().Int64Value());
  return info.Env().Undefined();
}

static Napi::Value doorbellCreate(const Napi::CallbackInfo& info) {
  int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (fd < 0) return fail(info.Env(), "eventfd", "");
  return Napi::Number::New(info.Env(), fd);
}

static napi_value doorbellRing(napi_env env, napi_callback_info info) {
  int32_t argument[1];
  arguments(env, info, argument);
  uint64_t one = 1;
  // EAGAIN means the counter is full: the sleeper has been told often enough.
  ssize_t written = write(argument[0], &one, sizeof one);
  return integer(env, written < 0 && errno != EAGAIN ? -errno : 0);
}

static napi_value doorbellClear(napi_env env, napi_callback_info info) {
  int32_t argument[1];
  arguments(env, info, argument);
  uint64_t count;
  ssize_t got = read(argument[0], &count, sizeof count);
  return integer(env, got < 0 && errno != EAGAIN ? -errno : 0);
}

void registerArena(Napi::Env env, Napi::Object exports) {
  exports.Set("arenaCreate", Napi::Function::New(env, arenaCreate));
  exports.Set("arenaMap", Napi::Function::New(env, arenaMap));
  exports.Set("arenaPunch", Napi::Function::New(env, arenaPunch));
  exports.Set("arenaBind", Napi::Function::New(env, arenaBind));
  exports.Set("doorbellCreate", Napi::Function::New(env, doorbellCreate));
  define(env, exports, "doorbellRing", doorbellRing);
  define(env, exports, "doorbellClear", doorbellClear);
}

}  // namespace bridgeport
