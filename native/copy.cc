// Copies within the arena, many in one call, and the wall clock that goes with them.
#include "addon.h"
#include "binding.h"

#include <time.h>

namespace bridgeport {

// copyList(at, count): three int32 columns of 64 at `at`: from, to, length, all in bytes of the arena.
static napi_value copyList(napi_env env, napi_callback_info info) {
  int32_t argument[2];
  Binding* binding = arguments(env, info, argument);
  const int32_t* from = binding->column(argument[0]);
  uint8_t* base = reinterpret_cast<uint8_t*>(binding->column(0));
  for (int i = 0; i < argument[1]; i++)
    memcpy(base + from[kBurst + i], base + from[i], static_cast<size_t>(from[2 * kBurst + i]));
  return integer(env, argument[1]);
}

// clockWall(at): nanoseconds since 1970 as a 64-bit integer.
static napi_value clockWall(napi_env env, napi_callback_info info) {
  int32_t argument[1];
  Binding* binding = arguments(env, info, argument);
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  int64_t nanoseconds = static_cast<int64_t>(now.tv_sec) * 1000000000 + now.tv_nsec;
  memcpy(binding->column(argument[0]), &nanoseconds, sizeof nanoseconds);
  return integer(env, 0);
}

void registerCopy(Napi::Env env, Napi::Object exports) {
  define(env, exports, "copyList", copyList);
  define(env, exports, "clockWall", clockWall);
}

}  // namespace bridgeport
