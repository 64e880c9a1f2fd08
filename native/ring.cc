// Receiving from a ring that the kernel fills while we are elsewhere: a flood of small frames arrives whole where recvmmsg(2) lost a quarter, on the
// machine of the other figures; frames that do not fit an entry are read from the socket, in their turn.
#include "ring.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cold.h"

namespace bridgeport {

// ringMap(fd): the calling thread's number for the ring of a packet socket, which stays mapped until ringUnmap(number).
static Napi::Value ringMap(const Napi::CallbackInfo& info) {
  int fd = info[0].As<Napi::Number>().Int32Value();
  void* base = mmap(nullptr, kRingLength, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (base == MAP_FAILED) throw SystemError{errno, "mmap", "", "packet ring"};
  auto& rings = bindingOf(info.Env())->rings;
  size_t number = 0;
  while (number < rings.size() && rings[number].base != nullptr) number++;
  if (number == rings.size()) rings.push_back({});
  rings[number] = {fd, static_cast<uint8_t*>(base), 0, 0};
  return Napi::Number::New(info.Env(), static_cast<double>(number));
}

static Napi::Value ringUnmap(const Napi::CallbackInfo& info) {
  auto& rings = bindingOf(info.Env())->rings;
  size_t number = info[0].As<Napi::Number>().Uint32Value();
  if (number < rings.size() && rings[number].base != nullptr) {
    munmap(rings[number].base, kRingLength);
    rings[number].base = nullptr;
  }
  return info.Env().Undefined();
}

// The frame of an entry, copied to `frame` with its vnet header; its length, -1 if it was cut off.
static int copyEntry(const tpacket2_hdr* entry, uint8_t* frame) {
  size_t length = entry->tp_snaplen;
  if (length < entry->tp_len || length > kRingFrame) return -1;
  memcpy(frame - kVnetHeader, reinterpret_cast<const uint8_t*>(entry) + entry->tp_mac - kVnetHeader, kVnetHeader + length);
  if (!(entry->tp_status & TP_STATUS_VLAN_VALID)) return static_cast<int>(length);
  tpacket_auxdata aux{};
  aux.tp_status = entry->tp_status;
  aux.tp_vlan_tci = entry->tp_vlan_tci;
  aux.tp_vlan_tpid = entry->tp_vlan_tpid;
  return restoreTag(frame, static_cast<int>(length), aux);
}

// The frame that has an entry and waits in the queue; false if there is none. A link that went down is told before a frame is: one
// that was left behind for it would be taken for the next entry's, and keep epoll from sleeping.
static bool receiveQueued(Binding* binding, Ring* ring, const int32_t* freeTop, int32_t* columns) {
  int got = receivePacket(binding, ring->fd, freeTop, columns, 1);
  if (got < 0) {
    ring->error = got;
    got = receivePacket(binding, ring->fd, freeTop, columns, 1);
  }
  return got == 1;
}

int receiveRing(Binding* binding, int number, const int32_t* freeTop, int32_t* block, int capacity) {
  if (static_cast<size_t>(number) >= binding->rings.size()) return -EBADF;
  Ring& ring = binding->rings[static_cast<size_t>(number)];
  if (ring.base == nullptr) return -EBADF;
  int count = 0;
  for (; count < capacity; count++) {
    auto* entry = reinterpret_cast<tpacket2_hdr*>(ring.base + static_cast<size_t>(ring.next) * kRingFrame);
    uint32_t status = __atomic_load_n(&entry->tp_status, __ATOMIC_ACQUIRE);
    if (!(status & TP_STATUS_USER)) break;
    int32_t index = freeTop[-count];
    int32_t* columns = block + count;
    if (!(status & TP_STATUS_COPY) || !receiveQueued(binding, &ring, freeTop - count, columns)) {
      columns[0] = index;
      columns[kBurst] = copyEntry(entry, binding->frame(index));
    }
    __atomic_store_n(&entry->tp_status, static_cast<uint32_t>(TP_STATUS_KERNEL), __ATOMIC_RELEASE);
    ring.next = ring.next + 1 == kRingFrames ? 0 : ring.next + 1;
  }
  if (count > 0) return count;
  if (ring.error != 0) {
    int told = ring.error;
    ring.error = 0;
    return told;
  }
  // Nothing came: what woke us may be that the link went down, which only the socket tells.
  int error = 0;
  socklen_t length = sizeof error;
  if (getsockopt(ring.fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0) return -errno;
  return -error;
}

void registerRing(Napi::Env env, Napi::Object exports) {
  expose<ringMap>(env, exports, "ringMap");
  expose<ringUnmap>(env, exports, "ringUnmap");
}

}  // namespace bridgeport
