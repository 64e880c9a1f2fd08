// The relay's thread; see relay.h. epoll(7) edge-triggered, splice(2).
#include "relay.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>

#include "cold.h"

namespace bridgeport {

// What one direction may hold: the kernel's largest pipe without privilege (fs.pipe-max-size).
constexpr size_t kPipe = 1 << 20;
// What one connection may move before the others get their turn.
constexpr size_t kShare = 4 << 20;
// Empty pipes that are kept for the next connection.
constexpr size_t kPipesKept = 64;
constexpr int kEvents = 64;
constexpr int kAccepts = 64;
// SYNs sent again after 1, 2, 4, 8 and 16 s: an address that never answers is given up after 31 s (tcp(7)).
constexpr int kRetries = 4;
// A listening socket that ran out of descriptors is looked at again after this long.
constexpr int kPauseMs = 100;
// How often UDP sessions that were silent too long are looked for.
constexpr int kSweepMs = 5000;

static void option(int fd, int level, int name, int value) { setsockopt(fd, level, name, &value, sizeof value); }

Relay::~Relay() {
  if (!thread_.joinable()) return;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  eventfd_write(bell_.get(), 1);
  thread_.join();
  for (auto& entry : listeners_)
    for (Connection* connection : entry.second->connections) delete connection;
}

void Relay::start() {
  if (thread_.joinable()) return;
  poll_ = Descriptor(epoll_create1(EPOLL_CLOEXEC));
  bell_ = Descriptor(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (poll_.get() < 0 || bell_.get() < 0) throw SystemError{errno, "epoll_create1", "", ""};
  epoll_event event{};
  event.events = EPOLLIN;
  if (epoll_ctl(poll_.get(), EPOLL_CTL_ADD, bell_.get(), &event) < 0) throw SystemError{errno, "epoll_ctl", "", ""};
  // Signals are for the threads of Node.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error& caught) {
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    throw SystemError{caught.code().value(), "clone", "", ""};
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_setname_np(thread_.native_handle(), "relay");
}

int32_t Relay::add(int fd, const sockaddr_in& target, size_t capacity) {
  auto listener = std::make_unique<Listener>();
  listener->fd = Descriptor(fd);
  listener->target = target;
  start();
  std::lock_guard<std::mutex> lock(mutex_);
  capacity_ = capacity;
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = static_cast<Source*>(listener.get());
  if (epoll_ctl(poll_.get(), EPOLL_CTL_ADD, fd, &event) < 0) throw SystemError{errno, "epoll_ctl", "", ""};
  listeners_[++numbers_] = std::move(listener);
  return numbers_;
}

int32_t Relay::addDatagrams(int fd, const sockaddr_in& target, size_t capacity, int64_t idleMs) {
  auto outer = std::make_unique<Outer>();
  outer->fd = Descriptor(fd);
  outer->target = target;
  prepare(fd);
  start();
  std::lock_guard<std::mutex> lock(mutex_);
  if (!sessions_) sessions_ = std::make_unique<Sessions>();
  sessionsMax_ = capacity;
  idleMs_ = idleMs;
  outer->number = static_cast<uint32_t>(++numbers_);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = static_cast<Source*>(outer.get());
  if (epoll_ctl(poll_.get(), EPOLL_CTL_ADD, fd, &event) < 0) throw SystemError{errno, "epoll_ctl", "", ""};
  outers_[numbers_] = std::move(outer);
  return numbers_;
}

void Relay::remove(int32_t number) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto outer = outers_.find(number);
  if (outer != outers_.end()) {
    outer->second->fd = Descriptor();
    sessions_->drop(*outer->second);
    oldSockets_.push_back(std::move(outer->second));
    outers_.erase(outer);
    eventfd_write(bell_.get(), 1);
  }
  auto found = listeners_.find(number);
  if (found == listeners_.end()) return;
  Listener& listener = *found->second;
  listener.fd = Descriptor();
  while (!listener.connections.empty()) end(**listener.connections.begin(), true);
  oldSockets_.push_back(std::move(found->second));
  listeners_.erase(found);
  eventfd_write(bell_.get(), 1);
}

Counts Relay::counts() {
  std::lock_guard<std::mutex> lock(mutex_);
  Counts now = counts_;
  if (sessions_) now.bytes += sessions_->bytes;
  if (sessions_) now.sessions = sessions_->count();
  return now;
}

// Milliseconds to the next thing that is due, -1 if nothing is.
int Relay::wait() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (!pending_.empty()) return 0;
  if (anyPaused_) return kPauseMs;
  if (!sessions_ || sessions_->count() == 0) return -1;
  return static_cast<int>(std::min<int64_t>(kSweepMs, idleMs_));
}

void Relay::run() {
  epoll_event events[kEvents];
  for (bool stopping = false; !stopping;) {
    int timeout = wait();
    int count = epoll_wait(poll_.get(), events, kEvents, timeout);
    std::lock_guard<std::mutex> lock(mutex_);
    std::vector<Connection*> again;
    again.swap(pending_);
    for (int index = 0; index < count; index++) {
      auto* source = static_cast<Source*>(events[index].data.ptr);
      eventfd_t value;
      if (source == nullptr) eventfd_read(bell_.get(), &value);
      else serve(source, events[index].events);
    }
    for (Connection* connection : again) {
      connection->pending = false;
      if (!connection->dead) advance(*connection, 0, nullptr);
    }
    if (anyPaused_) resume();
    auto gone = [](const Connection* connection) { return connection->dead; };
    pending_.erase(std::remove_if(pending_.begin(), pending_.end(), gone), pending_.end());
    if (sessions_) {
      sessions_->sweep(idleMs_);
      sessions_->bury();
    }
    old_.clear();
    oldSockets_.clear();
    stopping = stopping_;
  }
}

void Relay::resume() {
  anyPaused_ = false;
  for (auto& entry : listeners_) {
    Listener& listener = *entry.second;
    if (!listener.paused) continue;
    listener.paused = false;
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = static_cast<Source*>(&listener);
    epoll_ctl(poll_.get(), EPOLL_CTL_MOD, listener.fd.get(), &event);
  }
}

void Relay::serve(Source* source, uint32_t events) {
  if (auto* side = dynamic_cast<Side*>(source)) {
    if (!side->connection->dead) advance(*side->connection, events, side);
  } else if (auto* session = dynamic_cast<Session*>(source)) {
    if (!session->dead) sessions_->answer(*session);
  } else if (auto* outer = dynamic_cast<Outer*>(source)) {
    if (outer->fd.get() >= 0) sessions_->receive(*outer, poll_.get(), sessionsMax_);
  } else if (auto* listener = dynamic_cast<Listener*>(source)) {
    if (listener->fd.get() >= 0) accept(*listener);
  }
}

void Relay::accept(Listener& listener) {
  for (int index = 0; index < kAccepts; index++) {
    Descriptor client(accept4(listener.fd.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (client.get() >= 0) {
      admit(listener, std::move(client));
      continue;
    }
    // The connection went before it was taken: accept(2), "Error handling".
    if (errno == ECONNABORTED || errno == EINTR || errno == EPROTO) continue;
    if (errno == EAGAIN) return;
    epoll_event event{};
    event.data.ptr = static_cast<Source*>(&listener);
    epoll_ctl(poll_.get(), EPOLL_CTL_MOD, listener.fd.get(), &event);
    listener.paused = anyPaused_ = true;
    return;
  }
}

// Closing then resets the connection.
static void resetOnClose(int fd) {
  linger now{1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

void Relay::admit(Listener& listener, Descriptor client) {
  Descriptor server(counts_.open < capacity_ ? socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) : -1);
  option(server.get(), IPPROTO_TCP, TCP_SYNCNT, kRetries);
  auto* target = reinterpret_cast<const sockaddr*>(&listener.target);
  if (server.get() < 0 || (connect(server.get(), target, sizeof listener.target) < 0 && errno != EINPROGRESS)) {
    resetOnClose(client.get());
    counts_.refused++;
    return;
  }
  auto* connection = new Connection();
  connection->listener = &listener;
  connection->sides[0].fd = std::move(client);
  connection->sides[1].fd = std::move(server);
  listener.connections.insert(connection);
  counts_.open++;
  for (Side& side : connection->sides) {
    side.connection = connection;
    option(side.fd.get(), IPPROTO_TCP, TCP_NODELAY, 1);
    option(side.fd.get(), SOL_SOCKET, SO_KEEPALIVE, 1);
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    event.data.ptr = static_cast<Source*>(&side);
    if (epoll_ctl(poll_.get(), EPOLL_CTL_ADD, side.fd.get(), &event) < 0) return end(*connection, true);
  }
}

bool Relay::takePipe(Pipe& pipe) {
  if (!pipes_.empty()) {
    pipe = std::move(pipes_.back());
    pipes_.pop_back();
    return true;
  }
  int fds[2];
  if (pipe2(fds, O_NONBLOCK | O_CLOEXEC) < 0) return false;
  pipe.read = Descriptor(fds[0]);
  pipe.write = Descriptor(fds[1]);
  // Where it may not grow it stays as it is: 64 KiB.
  fcntl(fds[1], F_SETPIPE_SZ, kPipe);
  return true;
}

void Relay::givePipe(Pipe& pipe) {
  if (pipes_.size() < kPipesKept) pipes_.push_back(std::move(pipe));
  pipe = Pipe();
}

// Moves what there is; false if the connection is broken.
bool Relay::move(Side& from, Side& to, size_t* budget) {
  if (from.pipe.read.get() < 0 && !from.ended && !takePipe(from.pipe)) return false;
  const unsigned flags = SPLICE_F_MOVE | SPLICE_F_NONBLOCK;
  for (bool progress = true; progress && *budget > 0;) {
    progress = false;
    if (!from.ended && from.held < kPipe) {
      ssize_t got = splice(from.fd.get(), nullptr, from.pipe.write.get(), nullptr, kPipe - from.held, flags);
      if (got < 0 && errno != EAGAIN && errno != EINTR) return false;
      if (got == 0) from.ended = true;
      if (got > 0) from.held += static_cast<size_t>(got);
    }
    if (from.held > 0) {
      ssize_t put = splice(from.pipe.read.get(), nullptr, to.fd.get(), nullptr, from.held, flags);
      if (put < 0 && errno != EAGAIN && errno != EINTR) return false;
      if (put > 0) {
        from.held -= static_cast<size_t>(put);
        counts_.bytes += static_cast<double>(put);
        *budget -= static_cast<size_t>(put) < *budget ? static_cast<size_t>(put) : *budget;
        progress = true;
      }
    }
  }
  if (from.held == 0 && from.pipe.read.get() >= 0) givePipe(from.pipe);
  if (from.ended && from.held == 0 && !from.passed) {
    // RFC 9293 3.6: a connection is closed in one direction; the other goes on.
    shutdown(to.fd.get(), SHUT_WR);
    from.passed = true;
  }
  return true;
}

static int failure(int fd) {
  int error = 0;
  socklen_t length = sizeof error;
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0 ? errno : error;
}

void Relay::advance(Connection& connection, uint32_t events, const Side* side) {
  Side *client = &connection.sides[0], *server = &connection.sides[1];
  if ((events & EPOLLERR) && failure(side->fd.get()) != 0) {
    if (connection.connecting) counts_.refused++;
    return end(connection, true);
  }
  if (connection.connecting) {
    if (side != server || !(events & EPOLLOUT)) return;
    connection.connecting = false;
    counts_.accepted++;
  }
  size_t up = kShare, down = kShare;
  if (!move(*client, *server, &up) || !move(*server, *client, &down)) return end(connection, true);
  if (client->passed && server->passed) return end(connection, false);
  if ((up == 0 || down == 0) && !connection.pending) {
    connection.pending = true;
    pending_.push_back(&connection);
  }
}

void Relay::end(Connection& connection, bool reset) {
  for (Side& side : connection.sides) {
    if (reset) resetOnClose(side.fd.get());
    side.fd = Descriptor();
    // What is left in it must never come out in another connection.
    side.pipe = Pipe();
  }
  connection.dead = true;
  counts_.open--;
  connection.listener->connections.erase(&connection);
  old_.emplace_back(&connection);
}

static Napi::Value relayOpen(const Napi::CallbackInfo& info) {
  auto options = info[0].As<Napi::Object>();
  sockaddr_in target{};
  target.sin_family = AF_INET;
  target.sin_port = htons(static_cast<uint16_t>(integer(options, "port")));
  std::string address = text(options, "address");
  if (inet_pton(AF_INET, address.c_str(), &target.sin_addr) != 1) throw SystemError{EINVAL, "connect", "", address};
  auto* relay = static_cast<Relay*>(info.Data());
  auto capacity = static_cast<size_t>(integer(options, "capacity"));
  int fd = integer(options, "fd"), idleMs = integer(options, "idleMs");
  bool isStream = text(options, "protocol") == "tcp";
  int32_t number = isStream ? relay->add(fd, target, capacity) : relay->addDatagrams(fd, target, capacity, idleMs);
  return Napi::Number::New(info.Env(), number);
}

static Napi::Value relayClose(const Napi::CallbackInfo& info) {
  static_cast<Relay*>(info.Data())->remove(info[0].As<Napi::Number>().Int32Value());
  return info.Env().Undefined();
}

static Napi::Value relayCounts(const Napi::CallbackInfo& info) {
  Counts counts = static_cast<Relay*>(info.Data())->counts();
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("open", static_cast<double>(counts.open));
  result.Set("sessions", static_cast<double>(counts.sessions));
  result.Set("accepted", counts.accepted);
  result.Set("refused", counts.refused);
  result.Set("bytes", counts.bytes);
  return result;
}

void registerRelay(Napi::Env env, Napi::Object exports) {
  // Each thread that loads the addon has its own; its thread starts with the first socket and ends with the environment.
  auto* relay = new Relay();
  napi_add_env_cleanup_hook(env, [](void* data) { delete static_cast<Relay*>(data); }, relay);
  expose<relayOpen>(env, exports, "relayOpen", relay);
  expose<relayClose>(env, exports, "relayClose", relay);
  expose<relayCounts>(env, exports, "relayCounts", relay);
}

}  // namespace bridgeport
