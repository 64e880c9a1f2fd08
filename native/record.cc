// Records of captures: frames of a burst block become pcapng's Enhanced Packet Blocks in a ring of the arena; src/pipeline/record.ts has the
// layout. No policy: which frames, and what became of them, is said elsewhere.
#include "addon.h"
#include "binding.h"

#include <time.h>

namespace bridgeport {

// The task at byte `at`: where the ring lies, its words, the writer's position, bytes of a frame to keep, port, direction, where the block
// lies, how many of its frames. Behind it a column of positions in the block, and one where each record's int32 position is written, or kNoRoom.
struct Task {
  int32_t ringAt, words, head, snap, port, direction, blockAt, count;
  int32_t positions[kBurst];
  int32_t places[kBurst];
};

// int32 positions in the ring's header
constexpr size_t kTail = 16;
constexpr size_t kLost = 32;
constexpr size_t kHeader = 48;
constexpr int32_t kNoRoom = -2;
constexpr int32_t kWrap = 0;
constexpr int32_t kBlock = 6;
constexpr int32_t kFlags = 2 | (4 << 16);
constexpr size_t kFrameAt = 7;
constexpr size_t kOptions = 4;

static int32_t difference(int32_t head, int32_t tail) { return static_cast<int32_t>(static_cast<uint32_t>(head) - static_cast<uint32_t>(tail)); }
static int32_t sum(int32_t head, int32_t more) { return static_cast<int32_t>(static_cast<uint32_t>(head) + static_cast<uint32_t>(more)); }

static void fill(Binding* binding, const Task& task, int32_t* record, int32_t frame, int32_t length, int32_t kept, int32_t size, int64_t now) {
  int32_t* options = record + size - kOptions;
  record[0] = kBlock;
  record[1] = size * 4;
  record[2] = task.port;
  record[3] = static_cast<int32_t>(now >> 32);
  record[4] = static_cast<int32_t>(now);
  record[5] = kept;
  record[6] = length;
  options[-1] = 0;  // what pads the frame; with nothing to pad the frame itself comes over it
  memcpy(record + kFrameAt, binding->frame(frame), static_cast<size_t>(kept));
  options[0] = kFlags;
  options[1] = task.direction;
  options[2] = 0;
  options[3] = size * 4;
}

// recordFrames(at): writes the records and the writer's new position; returns how many there are.
static napi_value recordFrames(napi_env env, napi_callback_info info) {
  int32_t argument[1];
  Binding* binding = arguments(env, info, argument);
  Task& task = *reinterpret_cast<Task*>(binding->column(argument[0]));
  int32_t* header = binding->column(task.ringAt);
  int32_t* ring = header + kHeader;
  const int32_t* block = binding->column(task.blockAt);
  int32_t tail = __atomic_load_n(header + kTail, __ATOMIC_ACQUIRE);
  timespec clock;
  clock_gettime(CLOCK_REALTIME, &clock);
  int64_t now = static_cast<int64_t>(clock.tv_sec) * 1000000000 + clock.tv_nsec;
  int32_t written = 0;
  for (int32_t n = 0; n < task.count; n++) {
    int32_t i = task.positions[n];
    int32_t length = block[kBurst + i] < 0 ? 0 : block[kBurst + i];
    int32_t kept = length < task.snap ? length : task.snap;
    int32_t size = (kept + 3) / 4 + static_cast<int32_t>(kFrameAt + kOptions);
    int32_t place = task.head & (task.words - 1);
    int32_t skipped = place + size > task.words ? task.words - place : 0;
    task.places[n] = kNoRoom;
    if (difference(sum(task.head, skipped + size), tail) > task.words) {
      header[kLost]++;
      continue;
    }
    if (skipped > 0) ring[place] = kWrap;
    int32_t* record = ring + (skipped > 0 ? 0 : place);
    fill(binding, task, record, block[i], length, kept, size, now);
    task.places[n] = static_cast<int32_t>(record - binding->column(0));
    task.head = sum(task.head, skipped + size);
    written++;
  }
  return integer(env, written);
}

void registerRecord(Napi::Env env, Napi::Object exports) { define(env, exports, "recordFrames", recordFrames); }

}  // namespace bridgeport
