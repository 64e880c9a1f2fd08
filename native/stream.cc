// Frames in a stream of bytes, as QEMU's `-netdev stream` has them: four bytes of length, most significant first, then the frame.
//
// One read fills a buffer, however many frames there are in it; one sendmsg(2) carries a burst. What a peer may do: say any length, end
// anywhere, never read. A length beyond any frame's ends the stream, since nothing says where the next frame begins; of a frame that
// was cut by a full socket the rest is kept, and nothing else is taken until it is gone. So a stream holds at most kBuffer + kFrameMax bytes.
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "cold.h"
#include "wire.h"

namespace bridgeport {

constexpr size_t kPrefix = 4;
// What a read takes at once: two of the largest frames. The part of a frame that waits for its rest is moved to the front first.
constexpr size_t kBuffer = 2 * (kPrefix + kFrameMax);

struct Stream {
  int fd;
  // An epoll of this socket alone, which is what the worker waits for: for bytes always, for room only while a rest is kept.
  int poll;
  std::unique_ptr<uint8_t[]> buffer{new uint8_t[kBuffer]};
  size_t begin = 0, end = 0;
  std::unique_ptr<uint8_t[]> rest{new uint8_t[kPrefix + kFrameMax]};
  size_t restBegin = 0, restEnd = 0;
  // why nothing comes any more, 0 while something may
  int error = 0;
};

static void await(const Stream& stream, bool room) {
  epoll_event event{};
  event.events = EPOLLIN | (room ? EPOLLOUT : 0u);
  epoll_ctl(stream.poll, EPOLL_CTL_MOD, stream.fd, &event);
}

// Sends what is left of a frame; true if nothing is.
static bool flush(Stream& stream) {
  if (stream.restBegin == stream.restEnd) return true;
  ssize_t sent = send(stream.fd, stream.rest.get() + stream.restBegin, stream.restEnd - stream.restBegin, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent > 0) stream.restBegin += static_cast<size_t>(sent);
  if (stream.restBegin < stream.restEnd) return false;
  stream.restBegin = stream.restEnd = 0;
  await(stream, false);
  return true;
}

static size_t lengthAt(const uint8_t* at) {
  return static_cast<size_t>(at[0]) << 24 | static_cast<size_t>(at[1]) << 16 | static_cast<size_t>(at[2]) << 8 | at[3];
}

// Copies whole frames out of the buffer; how many.
static int unpack(Binding* binding, Stream& stream, const int32_t* freeTop, int32_t* block, int capacity) {
  int count = 0;
  for (; count < capacity && stream.end - stream.begin >= kPrefix; count++) {
    const uint8_t* at = stream.buffer.get() + stream.begin;
    size_t length = lengthAt(at);
    if (length > kFrameMax) {
      stream.error = EPROTO;
      // Its end is an event, too: the worker would not ask again by itself.
      shutdown(stream.fd, SHUT_RDWR);
      break;
    }
    if (stream.end - stream.begin < kPrefix + length) break;
    uint8_t* frame = binding->frame(freeTop[-count]);
    memset(frame - kVnetHeader, 0, kVnetHeader);
    memcpy(frame, at + kPrefix, length);
    block[count] = freeTop[-count];
    block[kBurst + count] = static_cast<int32_t>(length);
    stream.begin += kPrefix + length;
  }
  return count;
}

static void fill(Stream& stream) {
  size_t left = stream.end - stream.begin;
  if (stream.begin > 0 && left > 0) memmove(stream.buffer.get(), stream.buffer.get() + stream.begin, left);
  stream.begin = 0;
  stream.end = left;
  ssize_t got = recv(stream.fd, stream.buffer.get() + left, kBuffer - left, MSG_DONTWAIT);
  if (got > 0) stream.end += static_cast<size_t>(got);
  else if (got == 0) stream.error = ECONNRESET;
  else if (errno != EAGAIN && errno != EINTR) stream.error = errno;
}

int receiveStream(Binding* binding, int number, const int32_t* freeTop, int32_t* block, int capacity) {
  Stream* stream = numbered(binding->streams, number);
  if (stream == nullptr) return -EBADF;
  flush(*stream);
  int count = unpack(binding, *stream, freeTop, block, capacity);
  if (count < capacity && stream->error == 0) {
    fill(*stream);
    count += unpack(binding, *stream, freeTop - count, block + count, capacity - count);
  }
  return count > 0 ? count : -stream->error;
}

// Keeps the part of a frame that the socket had no room for; `done` bytes of it, prefix included, are on their way.
static void keep(Stream& stream, const uint8_t* prefix, const uint8_t* frame, size_t length, size_t done) {
  uint8_t* to = stream.rest.get();
  size_t ahead = done < kPrefix ? kPrefix - done : 0;
  memcpy(to, prefix + kPrefix - ahead, ahead);
  size_t from = done < kPrefix ? 0 : done - kPrefix;
  memcpy(to + ahead, frame + from, length - from);
  stream.restBegin = 0;
  stream.restEnd = ahead + length - from;
  await(stream, true);
}

int transmitStream(Binding* binding, int number, int32_t* block, int count) {
  Stream* stream = numbered(binding->streams, number);
  uint8_t prefixes[kBurst][kPrefix];
  iovec parts[2 * kBurst];
  ssize_t sent = -1;
  int error = EBADF;
  if (stream != nullptr && !flush(*stream)) error = EAGAIN;
  else if (stream != nullptr) {
    for (int i = 0; i < count; i++) {
      auto length = static_cast<uint32_t>(block[kBurst + i]);
      for (size_t b = 0; b < kPrefix; b++) prefixes[i][b] = static_cast<uint8_t>(length >> (24 - 8 * b));
      parts[2 * i] = {prefixes[i], kPrefix};
      parts[2 * i + 1] = {binding->frame(block[i]), length};
    }
    msghdr message{nullptr, 0, parts, 2 * static_cast<size_t>(count), nullptr, 0, 0};
    sent = sendmsg(stream->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    error = sent < 0 ? errno : EAGAIN;
  }
  int taken = 0;
  size_t left = sent < 0 ? 0 : static_cast<size_t>(sent);
  for (int i = 0; i < count; i++) {
    size_t length = static_cast<size_t>(block[kBurst + i]);
    block[2 * kBurst + i] = left > 0 ? 0 : error;
    if (left == 0) continue;
    taken++;
    if (left < kPrefix + length) keep(*stream, prefixes[i], binding->frame(block[i]), length, left);
    left -= left < kPrefix + length ? left : kPrefix + length;
  }
  return taken;
}

// A full socket drops, as every link does. Linux gives 200 KiB, of which segments of 64 KiB lost a quarter on their way to another switch;
// this is what one sender of TCP has under way at most (tcp_wmem in tcp(7)). An ordinary user gets what net.core.wmem_max allows.
static void widen(int fd) {
  int length = 4 << 20;
  if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &length, sizeof length) < 0)
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &length, sizeof length);
}

// streamOpen(fd, poll): the calling thread's number for a connected socket; `poll` is an epoll of its own that has the socket already.
static Napi::Value streamOpen(const Napi::CallbackInfo& info) {
  auto stream = std::make_shared<Stream>();
  stream->fd = info[0].As<Napi::Number>().Int32Value();
  stream->poll = info[1].As<Napi::Number>().Int32Value();
  widen(stream->fd);
  return Napi::Number::New(info.Env(), number(bindingOf(info.Env())->streams, std::move(stream)));
}

// streamClose(number): forgets what is buffered; the descriptors stay open.
static Napi::Value streamClose(const Napi::CallbackInfo& info) {
  auto& streams = bindingOf(info.Env())->streams;
  size_t number = info[0].As<Napi::Number>().Uint32Value();
  if (number < streams.size()) streams[number].reset();
  return info.Env().Undefined();
}

void registerStream(Napi::Env env, Napi::Object exports) {
  expose<streamOpen>(env, exports, "streamOpen");
  expose<streamClose>(env, exports, "streamClose");
}

}  // namespace bridgeport
