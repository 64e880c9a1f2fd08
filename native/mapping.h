// Mappings of guests' memory by number, which control thread and workers share, and the arguments of the calls about them.
#pragma once

#include <atomic>
#include <mutex>

#include "cold.h"

namespace bridgeport {

// A vhost-user memory table has at most 509 slots; 16,384 mappings are 32 guests that use all of them.
constexpr int kMappings = 16384;

struct GuestMapping {
  // Counts the slot's changes, odd while it holds a mapping: the handler reads the next three between two looks at it.
  std::atomic<uint32_t> turn{0};
  std::atomic<uintptr_t> base{0};
  std::atomic<size_t> mapped{0};
  std::atomic<size_t> block{0};
  std::atomic<bool> faulted{false};
  // Under the mutex: the bytes that were asked for, and how many regions of tables lie in them.
  uint8_t* data = nullptr;
  uint64_t length = 0;
  int users = 0;

  bool live() const { return turn.load() & 1; }
};

extern GuestMapping guestMappings[kMappings];

// How often the process lost pages of a mapping.
extern std::atomic<uint32_t> guestFaults;

// Held by whoever changes mappings or tables.
extern std::mutex guestMutex;

// The live mapping with this number; throws EBADF. Under the mutex.
GuestMapping& guestMappingOf(int32_t number, const char* syscall);

[[noreturn]] inline void failGuest(int error, const char* syscall) { throw SystemError{error, syscall, "", "guest memory"}; }

inline uint64_t wide(Napi::Value value, const char* syscall) {
  bool lossless = false;
  uint64_t number = value.IsBigInt() ? value.As<Napi::BigInt>().Uint64Value(&lossless) : 0;
  if (!lossless) failGuest(EINVAL, syscall);
  return number;
}

inline int32_t narrow(Napi::Value value) { return value.IsNumber() ? value.As<Napi::Number>().Int32Value() : -1; }

}  // namespace bridgeport
