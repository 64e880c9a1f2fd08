// Watches: descriptors on the event loop of the calling thread (uv_poll_t), for sockets that are read seldom and by message.
#include <uv.h>

#include <map>
#include <memory>

#include "cold.h"

namespace bridgeport {

// The event loop and JavaScript belong to one thread, so nothing here is locked. A handle outlives its watch until libuv let go of it.
struct Watch {
  uv_poll_t handle;
  Napi::FunctionReference ready;
  std::unique_ptr<Napi::AsyncContext> context;
};

class Watches {
 public:
  explicit Watches(napi_env env) : env_(env) { napi_add_async_cleanup_hook(env, end, this, &cleanup_); }

  int open(Napi::Env env, int fd, Napi::Function ready) {
    uv_loop_t* loop = nullptr;
    if (napi_get_uv_event_loop(env, &loop) != napi_ok) throw SystemError{ENOSYS, "epoll_ctl", "", ""};
    auto watch = std::make_unique<Watch>();
    int status = uv_poll_init(loop, &watch->handle, fd);
    if (status < 0) throw SystemError{-status, "epoll_ctl", "", ""};
    watch->handle.data = this;
    watch->ready = Napi::Persistent(ready);
    watch->context = std::make_unique<Napi::AsyncContext>(env, "bridgeport.watch");
    uv_poll_start(&watch->handle, UV_READABLE | UV_DISCONNECT, tell);
    open_[++numbers_] = watch.release();
    return numbers_;
  }

  void close(int number) {
    auto found = open_.find(number);
    if (found == open_.end()) throw SystemError{EBADF, "epoll_ctl", "", ""};
    release(found->second);
    open_.erase(found);
  }

 private:
  static Watch* of(uv_poll_t* handle) { return reinterpret_cast<Watch*>(handle); }

  static void tell(uv_poll_t* handle, int status, int) {
    auto* self = static_cast<Watches*>(handle->data);
    // libuv stops at an error of the socket; the reader shall see that error as it sees everything else.
    if (status < 0) uv_poll_start(handle, UV_READABLE | UV_DISCONNECT, tell);
    Napi::Env env(self->env_);
    Napi::HandleScope scope(env);
    try {
      of(handle)->ready.MakeCallback(env.Global(), {}, *of(handle)->context);
    } catch (const Napi::Error& thrown) {
      napi_fatal_exception(env, thrown.Value());
    }
  }

  void release(Watch* watch) {
    closing_++;
    watch->ready.Reset();
    watch->context.reset();
    uv_close(reinterpret_cast<uv_handle_t*>(&watch->handle), [](uv_handle_t* handle) {
      auto* self = static_cast<Watches*>(handle->data);
      delete of(reinterpret_cast<uv_poll_t*>(handle));
      self->closing_--;
      self->leave();
    });
  }

  // The thread ends: its loop must be empty before Node may close it.
  static void end(napi_async_cleanup_hook_handle, void* data) {
    auto* self = static_cast<Watches*>(data);
    self->ending_ = true;
    for (auto& [number, watch] : self->open_) self->release(watch);
    self->open_.clear();
    self->leave();
  }

  void leave() {
    if (!ending_ || closing_ > 0) return;
    napi_remove_async_cleanup_hook(cleanup_);
    delete this;
  }

  napi_env env_;
  napi_async_cleanup_hook_handle cleanup_ = nullptr;
  std::map<int, Watch*> open_;
  int numbers_ = 0;
  int closing_ = 0;
  bool ending_ = false;
};

static Napi::Value watchOpen(const Napi::CallbackInfo& info) {
  auto* watches = static_cast<Watches*>(info.Data());
  int number = watches->open(info.Env(), info[0].As<Napi::Number>().Int32Value(), info[1].As<Napi::Function>());
  return Napi::Number::New(info.Env(), number);
}

static Napi::Value watchClose(const Napi::CallbackInfo& info) {
  static_cast<Watches*>(info.Data())->close(info[0].As<Napi::Number>().Int32Value());
  return info.Env().Undefined();
}

void registerWatch(Napi::Env env, Napi::Object exports) {
  auto* watches = new Watches(env);
  expose<watchOpen>(env, exports, "watchOpen", watches);
  expose<watchClose>(env, exports, "watchClose", watches);
}

}  // namespace bridgeport
