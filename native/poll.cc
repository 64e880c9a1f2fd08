// One epoll(7) instance a worker: the only place where it sleeps.
#include "addon.h"
#include "binding.h"

#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

namespace bridgeport {

static double monotonic() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

static Napi::Value pollCreate(const Napi::CallbackInfo& info) {
  int fd = epoll_create1(EPOLL_CLOEXEC);
  if (fd < 0) throwSystemError(info.Env(), {errno, "epoll_create1", "", ""});
  return Napi::Number::New(info.Env(), fd);
}

static Napi::Value pollAdd(const Napi::CallbackInfo& info) {
  epoll_event event{};
  // Somebody else's doorbell is never read: whoever lends it may make a read block, and every ring of it is an edge.
  event.events = EPOLLIN | (info[3].ToBoolean() ? EPOLLET : 0u);
  event.data.u32 = info[2].As<Napi::Number>().Uint32Value();
  if (epoll_ctl(info[0].As<Napi::Number>(), EPOLL_CTL_ADD, info[1].As<Napi::Number>(), &event) < 0)
    throwSystemError(info.Env(), {errno, "epoll_ctl", "", ""});
  return info.Env().Undefined();
}

static Napi::Value pollRemove(const Napi::CallbackInfo& info) {
  // A descriptor that is already gone from the set is what the caller wants.
  if (epoll_ctl(info[0].As<Napi::Number>(), EPOLL_CTL_DEL, info[1].As<Napi::Number>(), nullptr) < 0 && errno != ENOENT &&
      errno != EBADF)
    throwSystemError(info.Env(), {errno, "epoll_ctl", "", ""});
  return info.Env().Undefined();
}

// pollWait(poll, eventsAt, capacity, timeoutMs, clockAt): at clockAt stand int32 monotonic milliseconds (they wrap: compare
// differences), four bytes unused, and a float64 with the seconds that passed between the last return and this call.
static napi_value pollWait(napi_env env, napi_callback_info info) {
  int32_t argument[5];
  Binding* binding = arguments(env, info, argument);
  double called = monotonic();
  epoll_event events[kBurst];
  int capacity = argument[2] < kBurst ? argument[2] : kBurst;
  int count = epoll_wait(argument[0], events, capacity, argument[3]);
  int error = errno;
  double now = argument[3] == 0 ? called : monotonic();
  int32_t* clock = binding->column(argument[4]);
  clock[0] = static_cast<int32_t>(static_cast<uint32_t>(static_cast<uint64_t>(now * 1e3)));
  double passed = binding->lastReturn == 0 ? 0 : called - binding->lastReturn;
  memcpy(clock + 2, &passed, sizeof passed);
  binding->lastReturn = now;
  if (count < 0) return integer(env, error == EINTR ? 0 : -error);
  int32_t* out = binding->column(argument[1]);
  for (int i = 0; i < count; i++) {
    out[2 * i] = static_cast<int32_t>(events[i].data.u32);
    out[2 * i + 1] = static_cast<int32_t>(events[i].events);
  }
  return integer(env, count);
}

void registerPoll(Napi::Env env, Napi::Object exports) {
  exports.Set("pollCreate", Napi::Function::New(env, pollCreate));
  exports.Set("pollAdd", Napi::Function::New(env, pollAdd));
  exports.Set("pollRemove", Napi::Function::New(env, pollRemove));
  define(env, exports, "pollWait", pollWait);
}

}  // namespace bridgeport
