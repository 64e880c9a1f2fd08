// Guest memory: what all threads of the process know of it, and what happens when a front-end takes it away.
//
// A front-end that truncates its file takes the pages from under us, and the next access raises SIGBUS in whatever thread it
// was. The handler marks the mapping, replaces all of it by anonymous zeros and lets the access happen again; whoever works on
// the guest's memory asks for the mark after each burst and gives the guest up. Control thread and workers share the mappings
// by number and the handler has no context, so these and the tables of guest.cc are state of the process, the only one there is:
// fixed arrays, changed under a mutex, read without one.
#include "mapping.h"

#include <csignal>

#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

namespace bridgeport {

constexpr uint32_t kXfs = 0x58465342;  // "XFSB"; older headers do not have it

GuestMapping guestMappings[kMappings];
std::atomic<uint32_t> guestFaults{0};
std::mutex guestMutex;
static std::atomic<int> mappingsUsed{0};
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
    GuestMapping& mapping = guestMappings[number];
    uint32_t turn = mapping.turn.load();
    uintptr_t base = mapping.base.load();
    size_t mapped = mapping.mapped.load(), block = mapping.block.load();
    if (!(turn & 1) || mapping.turn.load() != turn || address - base >= mapped) continue;
    mapping.faulted.store(true);
    guestFaults.fetch_add(1);
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

GuestMapping& guestMappingOf(int32_t number, const char* syscall) {
  if (number < 0 || number >= kMappings || !guestMappings[number].live()) failGuest(EBADF, syscall);
  return guestMappings[number];
}

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
  if (base == MAP_FAILED) failGuest(errno, "mmap");
  madvise(base, *mapped, MADV_DONTDUMP);
  madvise(base, *mapped, MADV_DONTFORK);
  return static_cast<uint8_t*>(base);
}

// The block size of a file that holds `length` bytes from `offset`.
static size_t blockOf(int fd, uint64_t offset, uint64_t length) {
  struct stat status {};
  struct statfs system {};
  if (fstat(fd, &status) < 0) failGuest(errno, "fstat");
  if (!S_ISREG(status.st_mode)) failGuest(ENODEV, "mmap");
  if (fstatfs(fd, &system) < 0) failGuest(errno, "fstatfs");
  if (!isLocal(system)) failGuest(EOPNOTSUPP, "mmap");
  auto size = static_cast<uint64_t>(status.st_size);
  if (offset > size || length > size - offset) failGuest(ERANGE, "mmap");
  bool huge = static_cast<uint32_t>(system.f_type) == HUGETLBFS_MAGIC;
  return static_cast<size_t>(huge ? system.f_bsize : sysconf(_SC_PAGESIZE));
}

static Napi::Value guestMap(const Napi::CallbackInfo& info) {
  int fd = narrow(info[0]);
  uint64_t offset = wide(info[1], "mmap"), length = wide(info[2], "mmap"), mapped = 0;
  if (length == 0) failGuest(EINVAL, "mmap");
  size_t block = blockOf(fd, offset, length);
  std::lock_guard<std::mutex> lock(guestMutex);
  install();
  int number = 0;
  while (number < kMappings && guestMappings[number].live()) number++;
  if (number == kMappings) failGuest(ENOSPC, "mmap");
  uint8_t* base = mapFile(fd, offset, length, block, &mapped);
  GuestMapping& mapping = guestMappings[number];
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

static Napi::Value guestUnmap(const Napi::CallbackInfo& info) {
  std::lock_guard<std::mutex> lock(guestMutex);
  GuestMapping& mapping = guestMappingOf(narrow(info[0]), "munmap");
  if (mapping.users > 0) failGuest(EBUSY, "munmap");
  mapping.turn.fetch_add(1);
  munmap(reinterpret_cast<void*>(mapping.base.load()), mapping.mapped.load());
  return info.Env().Undefined();
}

void registerMapping(Napi::Env env, Napi::Object exports) {
  expose<guestMap>(env, exports, "guestMap");
  expose<guestUnmap>(env, exports, "guestUnmap");
}

}  // namespace bridgeport
