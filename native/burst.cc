// Bursts: frames between a descriptor and the frame pool, one call a burst. No policy: what to read and where to write
// was decided by the caller, an error is told and never interpreted.
//
// A burst block in the arena is three int32 columns of 64: frame index, length in bytes (without the vnet header; -1 for a
// frame that did not fit), errno.
#include "addon.h"
#include "binding.h"
#include "ring.h"
#include "wire.h"

#include <linux/if_packet.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

namespace bridgeport {

enum Kind : int32_t { kTap = 0, kTun = 1, kPacket = 2, kRing = 4, kStream = 5, kDgram = 6 };

constexpr size_t kEthernet = 14;
constexpr size_t kTag = 4;
constexpr uint8_t kNeedsChecksum = 1;  // VIRTIO_NET_HDR_F_NEEDS_CSUM

static int32_t* frames(int32_t* block) { return block; }
static int32_t* lengths(int32_t* block) { return block + kBurst; }
static int32_t* errors(int32_t* block) { return block + 2 * kBurst; }

static ssize_t readFrame(Kind kind, int fd, uint8_t* frame) {
  if (kind == kTap) return read(fd, frame - kVnetHeader, kVnetHeader + kFrameMax);
  iovec parts[2] = {{frame - kVnetHeader, kVnetHeader}, {frame + kEthernet, kFrameMax - kEthernet}};
  return readv(fd, parts, 2);
}

static int receiveDevice(Binding* binding, Kind kind, int fd, const int32_t* freeTop, int32_t* block, int capacity, int bytesMax) {
  int bytes = 0;
  for (int i = 0; i < capacity; i++) {
    int32_t index = freeTop[-i];
    ssize_t got = readFrame(kind, fd, binding->frame(index));
    if (got < 0) return i > 0 || errno == EAGAIN || errno == EINTR ? i : -errno;
    int length = static_cast<int>(got) - static_cast<int>(kVnetHeader) + (kind == kTun ? static_cast<int>(kEthernet) : 0);
    frames(block)[i] = index;
    lengths(block)[i] = length < 0 ? 0 : length;
    bytes += length;
    if (bytes >= bytesMax) return i + 1;
  }
  return capacity;
}

// The kernel keeps a VLAN tag beside the frame (packet(7), PACKET_AUXDATA); it goes back to where it was on the wire.
int restoreTag(uint8_t* frame, int length, const tpacket_auxdata& aux) {
  if (length < static_cast<int>(kEthernet) || length + kTag > kFrameMax) return -1;
  memmove(frame + 12 + kTag, frame + 12, static_cast<size_t>(length) - 12);
  uint16_t protocol = aux.tp_status & TP_STATUS_VLAN_TPID_VALID ? aux.tp_vlan_tpid : 0x8100;
  frame[12] = static_cast<uint8_t>(protocol >> 8);
  frame[13] = static_cast<uint8_t>(protocol);
  frame[14] = static_cast<uint8_t>(aux.tp_vlan_tci >> 8);
  frame[15] = static_cast<uint8_t>(aux.tp_vlan_tci);
  uint8_t* header = frame - kVnetHeader;
  if (header[0] & kNeedsChecksum) {
    uint16_t start;
    memcpy(&start, header + 6, sizeof start);
    start = static_cast<uint16_t>(start + kTag);
    memcpy(header + 6, &start, sizeof start);
  }
  return length + static_cast<int>(kTag);
}

int receivePacket(Binding* binding, int fd, const int32_t* freeTop, int32_t* block, int capacity) {
  mmsghdr messages[kBurst];
  iovec parts[kBurst];
  alignas(cmsghdr) uint8_t control[kBurst][CMSG_SPACE(sizeof(tpacket_auxdata))];
  for (int i = 0; i < capacity; i++) {
    parts[i] = {binding->frame(freeTop[-i]) - kVnetHeader, kVnetHeader + kFrameMax};
    messages[i].msg_hdr = {nullptr, 0, &parts[i], 1, control[i], sizeof control[i], 0};
  }
  int count = recvmmsg(fd, messages, static_cast<unsigned>(capacity), MSG_DONTWAIT, nullptr);
  if (count < 0) return errno == EAGAIN || errno == EINTR ? 0 : -errno;
  for (int i = 0; i < count; i++) {
    msghdr* header = &messages[i].msg_hdr;
    int length = static_cast<int>(messages[i].msg_len) - static_cast<int>(kVnetHeader);
    if (length < 0) length = 0;
    if (header->msg_flags & MSG_TRUNC) length = -1;
    for (cmsghdr* part = CMSG_FIRSTHDR(header); part && length > 0; part = CMSG_NXTHDR(header, part)) {
      if (part->cmsg_level != SOL_PACKET || part->cmsg_type != PACKET_AUXDATA) continue;
      tpacket_auxdata aux;
      memcpy(&aux, CMSG_DATA(part), sizeof aux);
      if (aux.tp_status & TP_STATUS_VLAN_VALID) length = restoreTag(binding->frame(freeTop[-i]), length, aux);
    }
    frames(block)[i] = freeTop[-i];
    lengths(block)[i] = length;
  }
  return count;
}

// receive(kind, fd, freeTopAt, blockAt, capacity, bytesMax): takes frames downwards from the free stack's top at freeTopAt.
// Returns the count of frames, or -errno if there was an error before the first.
static napi_value receive(napi_env env, napi_callback_info info) {
  int32_t argument[6];
  Binding* binding = arguments(env, info, argument);
  Kind kind = static_cast<Kind>(argument[0]);
  int32_t* freeTop = binding->column(argument[2]);
  int32_t* block = binding->column(argument[3]);
  int capacity = argument[4] < kBurst ? argument[4] : kBurst;
  if (kind == kPacket) return integer(env, receivePacket(binding, argument[1], freeTop, block, capacity));
  if (kind == kRing) return integer(env, receiveRing(binding, argument[1], freeTop, block, capacity));
  if (kind == kStream) return integer(env, receiveStream(binding, argument[1], freeTop, block, capacity));
  if (kind == kDgram) return integer(env, receiveDgram(binding, argument[1], freeTop, block, capacity));
  return integer(env, receiveDevice(binding, kind, argument[1], freeTop, block, capacity, argument[5]));
}

static int transmitDevice(Binding* binding, Kind kind, int fd, int32_t* block, int count) {
  int sent = 0;
  for (int i = 0; i < count; i++) {
    uint8_t* frame = binding->frame(frames(block)[i]);
    size_t length = static_cast<size_t>(lengths(block)[i]);
    ssize_t written;
    if (kind == kTap) {
      written = write(fd, frame - kVnetHeader, kVnetHeader + length);
    } else {
      iovec parts[2] = {{frame - kVnetHeader, kVnetHeader}, {frame + kEthernet, length - kEthernet}};
      written = writev(fd, parts, 2);
    }
    errors(block)[i] = written < 0 ? errno : 0;
    if (written >= 0) sent++;
  }
  return sent;
}

static int transmitPacket(Binding* binding, int fd, int32_t* block, int count) {
  mmsghdr messages[kBurst];
  iovec parts[kBurst];
  for (int i = 0; i < count; i++) {
    parts[i] = {binding->frame(frames(block)[i]) - kVnetHeader, kVnetHeader + static_cast<size_t>(lengths(block)[i])};
    messages[i].msg_hdr = {nullptr, 0, &parts[i], 1, nullptr, 0, 0};
    errors(block)[i] = 0;
  }
  int sent = 0;
  for (int next = 0; next < count;) {
    int done = sendmmsg(fd, messages + next, static_cast<unsigned>(count - next), MSG_DONTWAIT);
    if (done > 0) {
      sent += done;
      next += done;
    } else {
      errors(block)[next++] = errno;  // the frame it stuck at is told, the rest goes on
    }
  }
  return sent;
}

// transmit(kind, fd, blockAt, count): returns how many were taken; the errno column tells of the others.
static napi_value transmit(napi_env env, napi_callback_info info) {
  int32_t argument[4];
  Binding* binding = arguments(env, info, argument);
  Kind kind = static_cast<Kind>(argument[0]);
  int32_t* block = binding->column(argument[2]);
  int count = argument[3] < kBurst ? argument[3] : kBurst;
  if (kind == kPacket) return integer(env, transmitPacket(binding, argument[1], block, count));
  if (kind == kStream) return integer(env, transmitStream(binding, argument[1], block, count));
  if (kind == kDgram) return integer(env, transmitDgram(binding, argument[1], block, count));
  return integer(env, transmitDevice(binding, kind, argument[1], block, count));
}

// checksum(at, length, initial): the ones' complement sum (RFC 1071) of arena bytes, folded to 16 bits, not complemented,
// in network byte order. Eight bytes an addition: the sum does not care about the word's width, only about its carries.
static napi_value checksum(napi_env env, napi_callback_info info) {
  int32_t argument[3];
  Binding* binding = arguments(env, info, argument);
  const uint8_t* at = binding->arena + argument[0];
  size_t length = static_cast<size_t>(argument[1]);
  unsigned __int128 wide = 0;
  for (; length >= 8; at += 8, length -= 8) {
    uint64_t word;
    memcpy(&word, at, sizeof word);
    wide += word;
  }
  uint64_t rest = 0;
  memcpy(&rest, at, length);
  wide += rest;
  uint64_t low = static_cast<uint64_t>(wide);
  uint64_t sum = (low & 0xffffffff) + (low >> 32) + static_cast<uint64_t>(wide >> 64);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  uint32_t folded = (static_cast<uint32_t>(sum & 0xff) << 8 | static_cast<uint32_t>(sum >> 8)) + (static_cast<uint32_t>(argument[2]) & 0xffff);
  return integer(env, static_cast<int32_t>((folded & 0xffff) + (folded >> 16)));
}

void registerBurst(Napi::Env env, Napi::Object exports) {
  define(env, exports, "receive", receive);
  define(env, exports, "transmit", transmit);
  define(env, exports, "checksum", checksum);
}

}  // namespace bridgeport
