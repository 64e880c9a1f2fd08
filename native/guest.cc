// Tables of a guest's memory by number, and views of it for those who walk rings. Any thread asks for a table without a lock; they
// are changed under the mutex of the mappings that they lie in.
#include "guest.h"

#include <algorithm>
#include <vector>

#include "binding.h"
#include "mapping.h"

namespace bridgeport {

// An old and a new one of 1,024 ports.
constexpr int kTables = 2048;

static std::atomic<GuestTable*> tables[kTables];

bool GuestTable::find(uint64_t guest, int* near) const {
  const GuestRegion* begin = regions.get();
  const GuestRegion* above =
      std::upper_bound(begin, begin + count, guest, [](uint64_t value, const GuestRegion& region) { return value < region.guest; });
  if (above == begin || guest - (above - 1)->guest >= (above - 1)->length) return false;
  *near = static_cast<int>(above - 1 - begin);
  return true;
}

uint8_t* GuestTable::locate(uint64_t user, uint64_t length) const {
  for (int index = 0; index < count; index++) {
    const GuestRegion& region = regions[index];
    uint64_t at = user - region.user;
    if (at < region.length && length <= region.length - at) return region.base + at;
  }
  return nullptr;
}

bool GuestTable::faulted() const {
  uint32_t now = guestFaults.load();
  if (now == seen_.load(std::memory_order_relaxed)) return false;
  for (int index = 0; index < count; index++)
    if (guestMappings[regions[index].mapping].faulted.load()) return true;
  seen_.store(now, std::memory_order_relaxed);
  return false;
}

GuestTable* guestTableOf(int32_t number) {
  return number >= 0 && number < kTables ? tables[number].load(std::memory_order_acquire) : nullptr;
}

// A region as it was asked for; where it lies is left open.
static GuestRegion regionOf(Napi::Value value, uint64_t* offset) {
  if (!value.IsObject()) failGuest(EINVAL, "table");
  Napi::Object options = value.As<Napi::Object>();
  GuestRegion region;
  region.mapping = narrow(options.Get("mapping"));
  region.guest = wide(options.Get("guest"), "table");
  region.user = wide(options.Get("user"), "table");
  region.length = wide(options.Get("length"), "table");
  *offset = wide(options.Get("offset"), "table");
  bool wraps = region.guest + region.length < region.guest || region.user + region.length < region.user;
  if (region.length == 0 || wraps) failGuest(EINVAL, "table");
  return region;
}

// Under the mutex.
static uint8_t* baseOf(const GuestRegion& region, uint64_t offset) {
  const GuestMapping& mapping = guestMappingOf(region.mapping, "table");
  if (offset > mapping.length || region.length > mapping.length - offset) failGuest(ERANGE, "table");
  return mapping.data + offset;
}

static void sortRegions(GuestRegion* regions, int count) {
  std::sort(regions, regions + count, [](const GuestRegion& a, const GuestRegion& b) { return a.guest < b.guest; });
  for (int index = 1; index < count; index++)
    if (regions[index].guest - regions[index - 1].guest < regions[index - 1].length) failGuest(EINVAL, "table");
}

static Napi::Value guestTable(const Napi::CallbackInfo& info) {
  if (!info[0].IsArray() || info[0].As<Napi::Array>().Length() > kMappings) failGuest(EINVAL, "table");
  Napi::Array array = info[0].As<Napi::Array>();
  int count = static_cast<int>(array.Length());
  std::unique_ptr<GuestRegion[]> regions(new GuestRegion[static_cast<size_t>(count) + 1]);
  std::vector<uint64_t> offsets(static_cast<size_t>(count));
  for (int index = 0; index < count; index++)
    regions[index] = regionOf(array.Get(static_cast<uint32_t>(index)), &offsets[static_cast<size_t>(index)]);
  std::lock_guard<std::mutex> lock(guestMutex);
  for (int index = 0; index < count; index++) regions[index].base = baseOf(regions[index], offsets[static_cast<size_t>(index)]);
  sortRegions(regions.get(), count);
  int number = 0;
  while (number < kTables && tables[number].load() != nullptr) number++;
  if (number == kTables) failGuest(ENOSPC, "table");
  for (int index = 0; index < count; index++) guestMappings[regions[index].mapping].users++;
  tables[number].store(new GuestTable(std::move(regions), count), std::memory_order_release);
  return Napi::Number::New(info.Env(), number);
}

static Napi::Value guestFree(const Napi::CallbackInfo& info) {
  std::lock_guard<std::mutex> lock(guestMutex);
  int32_t number = narrow(info[0]);
  GuestTable* table = guestTableOf(number);
  if (table == nullptr) failGuest(EBADF, "table");
  for (int index = 0; index < table->count; index++) guestMappings[table->regions[index].mapping].users--;
  tables[number].store(nullptr);
  delete table;
  return info.Env().Undefined();
}

static Napi::Value guestFaulted(const Napi::CallbackInfo& info) {
  const GuestTable* table = guestTableOf(narrow(info[0]));
  if (table == nullptr) failGuest(EBADF, "table");
  return Napi::Boolean::New(info.Env(), table->faulted());
}

// Views are parts of windows: buffers of 8 MiB of address space that begin every 4 MiB, one of which holds any view. Node tells
// the end of an external buffer to its event loop, to which a worker never returns, so what one costs is never given back; a
// guest that moves its rings for ever gets no more of them than its memory has windows. What lies in a window may be gone:
// a buffer that nothing looks into costs no access.
constexpr uintptr_t kWindow = 4 << 20;

static Napi::ArrayBuffer window(Napi::Env env, uintptr_t start, size_t length) {
  return Napi::ArrayBuffer::New(env, reinterpret_cast<void*>(start), length, [](Napi::Env, void*) {});
}

static Napi::ArrayBuffer windowAt(Napi::Env env, uintptr_t start) {
  napi_ref& kept = bindingOf(env)->windows[start];
  napi_value value = nullptr;
  if (kept != nullptr) {
    napi_get_reference_value(env, kept, &value);
    return Napi::ArrayBuffer(env, value);
  }
  Napi::ArrayBuffer made = window(env, start, 2 * kWindow);
  napi_create_reference(env, made, 1, &kept);
  return made;
}

static Napi::Value guestView(const Napi::CallbackInfo& info) {
  const GuestTable* table = guestTableOf(narrow(info[0]));
  if (table == nullptr) failGuest(EBADF, "view");
  uint64_t user = wide(info[1], "view");
  double length = info[2].IsNumber() ? info[2].As<Napi::Number>().DoubleValue() : 0;
  if (!(length >= 1 && length <= 0x7fffffff)) failGuest(EINVAL, "view");
  auto size = static_cast<size_t>(length);
  auto at = reinterpret_cast<uintptr_t>(table->locate(user, size));
  if (at == 0) failGuest(ERANGE, "view");
  // No ring is as long; a test that wants to see more has a buffer of its own.
  if (size > kWindow) return Napi::Uint8Array::New(info.Env(), size, window(info.Env(), at, size), 0);
  uintptr_t start = at / kWindow * kWindow;
  return Napi::Uint8Array::New(info.Env(), size, windowAt(info.Env(), start), at - start);
}

void registerGuest(Napi::Env env, Napi::Object exports) {
  expose<guestTable>(env, exports, "guestTable");
  expose<guestFree>(env, exports, "guestFree");
  expose<guestFaulted>(env, exports, "guestFaulted");
  expose<guestView>(env, exports, "guestView");
}

}  // namespace bridgeport
