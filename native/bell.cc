// Notifications of guests: eventfd(2)s that a front-end made and still has.
//
// Whoever has such a descriptor can take O_NONBLOCK off it at any moment and fill its counter, and a write(2) would wait for ever, with
// the worker and all of its ports. A signal from inside the kernel adds one or leaves a full counter as it is, and never waits: the end
// of an asynchronous read gives one (io_submit(2), IOCB_FLAG_RESFD), and a read of nothing from an empty file ends at once.
// 1.0 us a call against 0.4 us of a write, on the machine of the other figures. Where asynchronous reads are refused, it is a write.
#include <linux/aio_abi.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "addon.h"
#include "binding.h"

namespace bridgeport {

// One read is under way at a time; the kernel makes more room than that anyway.
constexpr unsigned kReads = 8;

// What is at the address that the kernel calls a context: its ring of completions (fs/aio.c), which every library for it reads.
struct Completions {
  uint32_t id, count, head, tail, magic;
};
constexpr uint32_t kMagic = 0xa10a10a1;

struct Bell {
  aio_context_t context = 0;
  Descriptor empty;

  Bell() : empty(memfd_create("bell", MFD_CLOEXEC)) {
    if (empty.get() < 0 || syscall(SYS_io_setup, kReads, &context) < 0) context = 0;
    if (context == 0 || completions()->magic == kMagic) return;
    syscall(SYS_io_destroy, context);
    context = 0;
  }
  Bell(const Bell&) = delete;
  ~Bell() {
    if (context != 0) syscall(SYS_io_destroy, context);
  }

  Completions* completions() const { return reinterpret_cast<Completions*>(context); }

  int ring(int fd) const {
    if (context == 0) {
      uint64_t one = 1;
      return write(fd, &one, sizeof one) < 0 && errno != EAGAIN ? -errno : 0;
    }
    iocb read{};
    read.aio_lio_opcode = IOCB_CMD_PREAD;
    read.aio_fildes = static_cast<uint32_t>(empty.get());
    read.aio_flags = IOCB_FLAG_RESFD;
    read.aio_resfd = static_cast<uint32_t>(fd);
    iocb* reads[1] = {&read};
    if (syscall(SYS_io_submit, context, 1, reads) < 0) return -errno;
    // It is done: what it came to is of no interest.
    uint32_t tail = __atomic_load_n(&completions()->tail, __ATOMIC_ACQUIRE);
    __atomic_store_n(&completions()->head, tail, __ATOMIC_RELEASE);
    return 0;
  }
};

// bellRing(fd): tells a guest. Returns 0 or -errno.
static napi_value bellRing(napi_env env, napi_callback_info info) {
  int32_t argument[1];
  Binding* binding = arguments(env, info, argument);
  if (binding->bell == nullptr) binding->bell = std::make_shared<Bell>();
  return integer(env, binding->bell->ring(argument[0]));
}

void registerBell(Napi::Env env, Napi::Object exports) { define(env, exports, "bellRing", bellRing); }

}  // namespace bridgeport
