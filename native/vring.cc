// Bytes between a guest's buffers and frames: one call a burst. Which buffers, and how much of each, the rings said (src/vhost/):
// a segment is 16 bytes in the arena, see src/vhost/layout.ts. No policy: an address that the guest does not have is told.
//
// Addresses are looked up and their lines asked for in groups, then the bytes are copied: the misses of a group overlap.
#include "addon.h"
#include "binding.h"
#include "guest.h"

namespace bridgeport {

struct Segment {
  uint64_t guest;
  uint32_t length;
  // first of a frame: its position in the burst, and from bit 8 how many buffers it has; else negative
  int32_t info;
};
static_assert(sizeof(Segment) == 16, "four int32 of src/vhost/layout.ts");

// What is to be done, before its segments: the table of the guest's memory, bytes of the header before a frame, where the burst block
// is, how many segments there are.
struct Task {
  int32_t table, header, blockAt, count;
};
static_assert(sizeof(Task) == sizeof(Segment), "four int32 of src/vhost/layout.ts");

constexpr int kGroup = 64;
constexpr size_t kLine = 64;

// A frame of a few lines is copied in place: a call of memcpy costs as much as its bytes. The last sixteen may overlap those before.
constexpr size_t kWord = 16, kShort = 256;

static inline void copy(uint8_t* to, const uint8_t* from, size_t length) {
  if (length < kWord || length > kShort) {
    memcpy(to, from, length);
    return;
  }
  for (size_t at = 0; at + kWord <= length; at += kWord) memcpy(to + at, from + at, kWord);
  memcpy(to + length - kWord, from + length - kWord, kWord);
}

// Asks for a line that will be written: the other core has it, and a prefetch for reading would fetch it twice. The compiler takes
// the instruction only for processors that are told to have it; those that have not take it for nothing.
static inline void own(const uint8_t* at) {
#if defined(__x86_64__)
  asm volatile("prefetchw %0" : : "m"(*at));
#else
  __builtin_prefetch(at, 1);
#endif
}

static int32_t frameOf(const Binding* binding, int32_t blockAt, int32_t info) { return binding->column(blockAt)[info & (kBurst - 1)]; }

// Where a frame and the header before it are written to or read from, front to back. The header of the guest has two bytes more
// than ours: in how many buffers the frame lies.
struct Cursor {
  uint8_t* frame = nullptr;
  size_t done = 0;
  size_t header = 0;
  uint8_t buffers[2] = {0, 0};

  // The next run of bytes that lie together, at most `length`.
  uint8_t* run(size_t* length) {
    uint8_t* at = done < kVnetHeader ? frame - kVnetHeader + done : done < header ? buffers + (done - kVnetHeader) : frame + (done - header);
    size_t room = done < kVnetHeader ? kVnetHeader - done : done < header ? header - done : *length;
    if (room < *length) *length = room;
    done += *length;
    return at;
  }
};

// The guest's side of a segment that does not lie in one region, or of a header in pieces: the long way.
template <bool toGuest>
static bool move(const GuestTable* table, const Segment& segment, Cursor* cursor, int* near) {
  for (uint32_t moved = 0; moved < segment.length;) {
    uint32_t span = segment.length - moved;
    uint8_t* at = table->span(segment.guest + moved, &span, near);
    if (at == nullptr) return false;
    for (size_t part = 0; part < span;) {
      size_t length = span - part;
      uint8_t* ours = cursor->run(&length);
      if (toGuest) memcpy(at + part, ours, length);
      else memcpy(ours, at + part, length);
      part += length;
    }
    moved += span;
  }
  return true;
}

template <bool toGuest>
static int transfer(Binding* binding, int32_t taskAt) {
  const Task& task = *reinterpret_cast<const Task*>(binding->arena + taskAt);
  const GuestTable* table = guestTableOf(task.table);
  if (table == nullptr) return -ENXIO;
  size_t header = static_cast<size_t>(task.header);
  const Segment* segments = reinterpret_cast<const Segment*>(&task + 1);
  int count = task.count;
  int near = 0;
  Cursor cursor;
  for (int from = 0; from < count; from += kGroup) {
    int group = count - from < kGroup ? count - from : kGroup;
    uint8_t* at[kGroup];
    for (int i = 0; i < group; i++) {
      const Segment& segment = segments[from + i];
      at[i] = table->translate(segment.guest, segment.length, &near);
      if (at[i] == nullptr) continue;
      if (toGuest) own(at[i]), own(at[i] + kLine);
      else __builtin_prefetch(at[i]), __builtin_prefetch(at[i] + kLine);
    }
    for (int i = 0; i < group; i++) {
      const Segment& segment = segments[from + i];
      if (segment.info >= 0) {
        cursor.frame = binding->frame(frameOf(binding, task.blockAt, segment.info));
        cursor.done = 0;
        cursor.header = header;
        uint16_t buffers = static_cast<uint16_t>(segment.info >> 8);
        memcpy(cursor.buffers, &buffers, sizeof buffers);
      }
      bool isWhole = at[i] != nullptr && (cursor.done >= header || (cursor.done == 0 && segment.length >= header));
      if (!isWhole) {
        if (!move<toGuest>(table, segment, &cursor, &near)) return -EFAULT;
        continue;
      }
      uint8_t* guest = at[i];
      size_t length = segment.length;
      if (cursor.done == 0) {
        if (toGuest) {
          memcpy(guest, cursor.frame - kVnetHeader, kVnetHeader);
          if (header > kVnetHeader) memcpy(guest + kVnetHeader, cursor.buffers, sizeof cursor.buffers);
        } else {
          memcpy(cursor.frame - kVnetHeader, guest, kVnetHeader);
        }
        guest += header;
        length -= header;
        cursor.done = header;
      }
      uint8_t* ours = cursor.frame + (cursor.done - header);
      if (toGuest) copy(guest, ours, length);
      else copy(ours, guest, length);
      cursor.done += length;
    }
  }
  return table->faulted() ? -ENXIO : 0;
}

// vringReceive(taskAt): what the guest transmits, into the frames of the burst block.
static napi_value vringReceive(napi_env env, napi_callback_info info) {
  int32_t argument[1];
  Binding* binding = arguments(env, info, argument);
  return integer(env, transfer<false>(binding, argument[0]));
}

// vringTransmit(taskAt): the frames of the burst block, into what the guest receives with.
static napi_value vringTransmit(napi_env env, napi_callback_info info) {
  int32_t argument[1];
  Binding* binding = arguments(env, info, argument);
  return integer(env, transfer<true>(binding, argument[0]));
}

// vringFetch(table, low, high, length, at): copies bytes at a guest-physical address of two int32 halves to an offset of the arena.
static napi_value vringFetch(napi_env env, napi_callback_info info) {
  int32_t argument[5];
  Binding* binding = arguments(env, info, argument);
  const GuestTable* table = guestTableOf(argument[0]);
  if (table == nullptr) return integer(env, -ENXIO);
  uint64_t guest = static_cast<uint64_t>(static_cast<uint32_t>(argument[2])) << 32 | static_cast<uint32_t>(argument[1]);
  uint32_t length = static_cast<uint32_t>(argument[3]);
  int near = 0;
  for (uint32_t moved = 0; moved < length;) {
    uint32_t span = length - moved;
    const uint8_t* at = table->span(guest + moved, &span, &near);
    if (at == nullptr) return integer(env, -EFAULT);
    memcpy(binding->arena + argument[4] + moved, at, span);
    moved += span;
  }
  return integer(env, table->faulted() ? -ENXIO : 0);
}

void registerVring(Napi::Env env, Napi::Object exports) {
  define(env, exports, "vringReceive", vringReceive);
  define(env, exports, "vringTransmit", vringTransmit);
  define(env, exports, "vringFetch", vringFetch);
}

}  // namespace bridgeport
