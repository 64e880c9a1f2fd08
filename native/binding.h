// The memory that the hot calls of one thread address: its mapping of the arena and the pool's geometry.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include <node_api.h>

namespace bridgeport {

// Byte offsets of a frame slot: the vnet header lies right before the frame, so one read or write carries both.
constexpr size_t kVnetHeader = 10;         // struct virtio_net_hdr, virtio 1.2 section 5.1.6, legacy form
constexpr size_t kFrameMax = 65535 + 14 + 8;  // an IP packet, its Ethernet header, two VLAN tags
constexpr int kBurst = 64;

// A receive ring of a packet socket that this thread maps; see ring.cc.
struct Ring {
  int fd;
  uint8_t* base;
  unsigned next;
  int error;  // told by the socket while frames were left, for when there are none
};

// Unix sockets that carry frames; see stream.cc and dgram.cc.
struct Stream;
struct Dgram;

// How guests are told; see bell.cc.
struct Bell;

struct Binding {
  uint8_t* arena = nullptr;
  size_t length = 0;
  size_t poolAt = 0;
  size_t stride = 0;
  size_t dataAt = 0;
  double lastReturn = 0;
  std::vector<Ring> rings;
  // Buffers onto guests' memory by address; see guest.cc.
  std::map<uintptr_t, napi_ref> windows;
  std::vector<std::shared_ptr<Stream>> streams;
  std::vector<std::shared_ptr<Dgram>> dgrams;
  std::shared_ptr<Bell> bell;

  uint8_t* frame(int32_t index) const { return arena + poolAt + static_cast<size_t>(index) * stride + dataAt; }
  int32_t* column(int32_t at) const { return reinterpret_cast<int32_t*>(arena + at); }
};

// The calling thread's binding, made on first use and freed with its environment.
Binding* bindingOf(napi_env env);

// Reads `count` int32 arguments of a hot call and returns the function's binding.
template <size_t count>
inline Binding* arguments(napi_env env, napi_callback_info info, int32_t (&out)[count]) {
  napi_value values[count];
  size_t given = count;
  void* data = nullptr;
  napi_get_cb_info(env, info, &given, values, nullptr, &data);
  for (size_t i = 0; i < count; i++) napi_get_value_int32(env, values[i], &out[i]);
  return static_cast<Binding*>(data);
}

inline napi_value integer(napi_env env, int32_t value) {
  napi_value result;
  napi_create_int32(env, value, &result);
  return result;
}

inline void define(napi_env env, napi_value exports, const char* name, napi_callback call) {
  napi_value function;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, call, bindingOf(env), &function);
  napi_set_named_property(env, exports, name, function);
}

}  // namespace bridgeport
