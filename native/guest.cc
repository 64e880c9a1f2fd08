// Guest memory: what all threads of the process know of it, and what happens when a front-end takes it away.
//
// A front-end that truncates its file takes the pages from under us, and the next access raises SIGBUS in whatever thread it
// was. The handler marks the mapping, replaces all of it by anonymous zeros and lets the access happen again; whoever works on
// the guest's memory asks for the mark after each burst and gives the guest up. Control thread and workers share the mappings
// by number and the handler has no context, so this is the one place with state of the process: fixed arrays, changed under a
// mutex, read without one.
#include "guest.h"

#include <algorithm>
#include <csignal>
#include <mutex>
#include <vector>

#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "binding.h"
#include "cold.h"

namespace bridgeport {

// A vhost-user memory table has at most 509 slots; 16,384 mappings are 32 guests that use all of them, 2,048 tables an old and
// a new one of 1,024 ports.
constexpr int kMappings = 16384;
constexpr int kTables = 2048;
constexpr uint32_t kXfs = 0x58465342;  // "XFSB"; older headers do not have it

struct Mapping {
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

static Mapping mappings[kMappings];
static std::atomic<int> mappingsUsed{0};
static std::atomic<GuestTable*> tables[kTables];
static std::atomic<uint32_t> faults{0};
static std::mutex mutex;
static struct sigaction previous;

static bool replace(uintptr_t base, size_t length) {
  int flags = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  return mmap(reinterpret_cast<void*>(base), length, PROT_READ | PROT_WRITE, flags, -1, 0) != MAP_FAILED;
}

// Marks before it replaces: who reads zeros finds the mark. A mapping that somebody accesses stays, so what was read of it
// between two equal turns holds on. Where the kernel does not commit memory for all of it, the page at fault has to do.
static bool mend(uintptr_t address) {
  int used = mappingsUsed.load();
  for (int number = 0; number < used; number++) {
    Mapping& mapping = mappings[number];
    uint32_t turn = mapping.turn.load();
    uintptr_t base = mapping.base.load();
    size_t mapped = mapping.mapped.load(), block = mapping.block.load();
    if (!(turn & 1) || mapping.turn.load() != turn || address - base >= mapped) continue;
    mapping.faulted.store(true);
    faults.fetch_add(1);
    return replace(base, mapped) || replace(address / block * block, block);
  }
  return false;
}

// Async-signal-safe: atomics without locks and mmap(2). A signal that is not about a mapping goes to whoever had it before.
static void vanished(int signal, siginfo_t* info, void* context) {
  int error = errno;
  bool sent = info->si_code <= 0;
  if (!sent && mend(reinterpret_cast<uintptr_t>(info->si_addr))) {
    errno = error;
    return;
  }
  if (previous.sa_flags & SA_SIGINFO) return previous.sa_sigaction(signal, info, context);
  if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) return previous.sa_handler(signal);
  if (sent && previous.sa_handler == SIG_IGN) return;
  // The access happens again and ends the process, as it would without us.
  sigaction(SIGBUS, &previous, nullptr);
  if (sent) raise(signal);
}

// Under the mutex, once: with the first mapping. The addon is linked with nodelete, so the handler outlives every thread's instance.
static void install() {
  static bool installed = false;
  if (installed) return;
  struct sigaction action {};
  action.sa_sigaction = vanished;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  if (sigaction(SIGBUS, &action, &previous) < 0) throw SystemError{errno, "sigaction", "", "SIGBUS"};
  installed = true;
}

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
  uint32_t now = faults.load();
  if (now == seen_.load(std::memory_order_relaxed)) return false;
  for (int index = 0; index < count; index++)
    if (mappings[regions[index].mapping].faulted.load()) return true;
  seen_.store(now, std::memory_order_relaxed);
  return false;
}

GuestTable* guestTableOf(int32_t number) {
  return number >= 0 && number < kTables ? tables[number].load(std::memory_order_acquire) : nullptr;
}

[[noreturn]] static void fail(int error, const char* syscall) { throw SystemError{error, syscall, "", "guest memory"}; }

static uint64_t wide(Napi::Value value, const char* syscall) {
  bool lossless = false;
  uint64_t number = value.IsBigInt() ? value.As<Napi::BigInt>().Uint64Value(&lossless) : 0;
  if (!lossless) fail(EINVAL, syscall);
  return number;
}

static int32_t narrow(Napi::Value value) { return value.IsNumber() ? value.As<Napi::Number>().Int32Value() : -1; }

// File systems whose pages come from memory or a local disk. A page of another, FUSE before all, comes from a process that may
// never deliver it, and the thread that waits for it is a worker.
static bool isLocal(const struct statfs& system) {
  switch (static_cast<uint32_t>(system.f_type)) {
    case TMPFS_MAGIC:
    case HUGETLBFS_MAGIC:
    case RAMFS_MAGIC:
    case EXT4_SUPER_MAGIC:
    case kXfs:
    case BTRFS_SUPER_MAGIC:
      return true;
  }
  return false;
}

// Maps the blocks (pages, or the file's huge pages) around a range of a file. Nothing is reserved: what a guest has not
// touched yet costs us nothing, and a core dump or a forked child does not hold a guest's memory.
static uint8_t* mapFile(int fd, uint64_t offset, uint64_t length, size_t block, uint64_t* mapped) {
  uint64_t from = offset / block * block;
  *mapped = (offset + length - from + block - 1) / block * block;
  void* base = mmap(nullptr, *mapped, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, static_cast<off_t>(from));
  if (base == MAP_FAILED) fail(errno, "mmap");
  madvise(base, *mapped, MADV_DONTDUMP);
  madvise(base, *mapped, MADV_DONTFORK);
  return static_cast<uint8_t*>(base);
}

// The block size of a file that holds `length` bytes from `offset`.
static size_t blockOf(int fd, uint64_t offset, uint64_t length) {
  struct stat status {};
  struct statfs system {};
  if (fstat(fd, &status) < 0) fail(errno, "fstat");
  if (!S_ISREG(status.st_mode)) fail(ENODEV, "mmap");
  if (fstatfs(fd, &system) < 0) fail(errno, "fstatfs");
  if (!isLocal(system)) fail(EOPNOTSUPP, "mmap");
  auto size = static_cast<uint64_t>(status.st_size);
  if (offset > size || length > size - offset) fail(ERANGE, "mmap");
  bool huge = static_cast<uint32_t>(system.f_type) == HUGETLBFS_MAGIC;
  return static_cast<size_t>(huge ? system.f_bsize : sysconf(_SC_PAGESIZE));
}

static Napi::Value guestMap(const Napi::CallbackInfo& info) {
  int fd = narrow(info[0]);
  uint64_t offset = wide(info[1], "mmap"), length = wide(info[2], "mmap"), mapped = 0;
  if (length == 0) fail(EINVAL, "mmap");
  size_t block = blockOf(fd, offset, length);
  std::lock_guard<std::mutex> lock(mutex);
  install();
  int number = 0;
  while (number < kMappings && mappings[number].live()) number++;
  if (number == kMappings) fail(ENOSPC, "mmap");
  uint8_t* base = mapFile(fd, offset, length, block, &mapped);
  Mapping& mapping = mappings[number];
  mapping.data = base + offset % block;
  mapping.length = length;
  mapping.users = 0;
  mapping.faulted.store(false);
  mapping.block.store(block);
  mapping.mapped.store(mapped);
  mapping.base.store(reinterpret_cast<uintptr_t>(base));
  mapping.turn.fetch_add(1);
  if (number >= mappingsUsed.load()) mappingsUsed.store(number + 1);
  return Napi::Number::New(info.Env(), number);
}

// Under the mutex.
static Mapping& mappingOf(int32_t number, const char* syscall) {
  if (number < 0 || number >= kMappings || !mappings[number].live()) fail(EBADF, syscall);
  return mappings[number];
}

static Napi::Value guestUnmap(const Napi::CallbackInfo& info) {
  std::lock_guard<std::mutex> lock(mutex);
  Mapping& mapping = mappingOf(narrow(info[0]), "munmap");
  if (mapping.users > 0) fail(EBUSY, "munmap");
  mapping.turn.fetch_add(1);
  munmap(reinterpret_cast<void*>(mapping.base.load()), mapping.mapped.load());
  return info.Env().Undefined();
}

// A region as it was asked for; where it lies is left open.
static GuestRegion regionOf(Napi::Value value, uint64_t* offset) {
  if (!value.IsObject()) fail(EINVAL, "table");
  Napi::Object options = value.As<Napi::Object>();
  GuestRegion region;
  region.mapping = narrow(options.Get("mapping"));
  region.guest = wide(options.Get("guest"), "table");
  region.user = wide(options.Get("user"), "table");
  region.length = wide(options.Get("length"), "table");
  *offset = wide(options.Get("offset"), "table");
  bool wraps = region.guest + region.length < region.guest || region.user + region.length < region.user;
  if (region.length == 0 || wraps) fail(EINVAL, "table");
  return region;
}

// Under the mutex.
static uint8_t* baseOf(const GuestRegion& region, uint64_t offset) {
  const Mapping& mapping = mappingOf(region.mapping, "table");
  if (offset > mapping.length || region.length > mapping.length - offset) fail(ERANGE, "table");
  return mapping.data + offset;
}

static void sortRegions(GuestRegion* regions, int count) {
  std::sort(regions, regions + count, [](const GuestRegion& a, const GuestRegion& b) { return a.guest < b.guest; });
  for (int index = 1; index < count; index++)
    if (regions[index].guest - regions[index - 1].guest < regions[index - 1].length) fail(EINVAL, "table");
}

static Napi::Value guestTable(const Napi::CallbackInfo& info) {
  if (!info[0].IsArray() || info[0].As<Napi::Array>().Length() > kMappings) fail(EINVAL, "table");
  Napi::Array array = info[0].As<Napi::Array>();
  int count = static_cast<int>(array.Length());
  std::unique_ptr<GuestRegion[]> regions(new GuestRegion[static_cast<size_t>(count) + 1]);
  std::vector<uint64_t> offsets(static_cast<size_t>(count));
  for (int index = 0; index < count; index++)
    regions[index] = regionOf(array.Get(static_cast<uint32_t>(index)), &offsets[static_cast<size_t>(index)]);
  std::lock_guard<std::mutex> lock(mutex);
  for (int index = 0; index < count; index++) regions[index].base = baseOf(regions[index], offsets[static_cast<size_t>(index)]);
  sortRegions(regions.get(), count);
  int number = 0;
  while (number < kTables && tables[number].load() != nullptr) number++;
  if (number == kTables) fail(ENOSPC, "table");
  for (int index = 0; index < count; index++) mappings[regions[index].mapping].users++;
  tables[number].store(new GuestTable(std::move(regions), count), std::memory_order_release);
  return Napi::Number::New(info.Env(), number);
}

static Napi::Value guestFree(const Napi::CallbackInfo& info) {
  std::lock_guard<std::mutex> lock(mutex);
  int32_t number = narrow(info[0]);
  GuestTable* table = guestTableOf(number);
  if (table == nullptr) fail(EBADF, "table");
  for (int index = 0; index < table->count; index++) mappings[table->regions[index].mapping].users--;
  tables[number].store(nullptr);
  delete table;
  return info.Env().Undefined();
}

static Napi::Value guestFaulted(const Napi::CallbackInfo& info) {
  const GuestTable* table = guestTableOf(narrow(info[0]));
  if (table == nullptr) fail(EBADF, "table");
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
  if (table == nullptr) fail(EBADF, "view");
  uint64_t user = wide(info[1], "view");
  double length = info[2].IsNumber() ? info[2].As<Napi::Number>().DoubleValue() : 0;
  if (!(length >= 1 && length <= 0x7fffffff)) fail(EINVAL, "view");
  auto size = static_cast<size_t>(length);
  auto at = reinterpret_cast<uintptr_t>(table->locate(user, size));
  if (at == 0) fail(ERANGE, "view");
  // No ring is as long; a test that wants to see more has a buffer of its own.
  if (size > kWindow) return Napi::Uint8Array::New(info.Env(), size, window(info.Env(), at, size), 0);
  uintptr_t start = at / kWindow * kWindow;
  return Napi::Uint8Array::New(info.Env(), size, windowAt(info.Env(), start), at - start);
}

void registerGuest(Napi::Env env, Napi::Object exports) {
  expose<guestMap>(env, exports, "guestMap");
  expose<guestUnmap>(env, exports, "guestUnmap");
  expose<guestTable>(env, exports, "guestTable");
  expose<guestFree>(env, exports, "guestFree");
  expose<guestFaulted>(env, exports, "guestFaulted");
  expose<guestView>(env, exports, "guestView");
}

}  // namespace bridgeport
