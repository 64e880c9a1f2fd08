// The relay's thread; see relay.h. epoll(7).
#include "relay.h"

#include <arpa/inet.h>
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

constexpr int kEvents = 64;
// A listening socket that ran out of descriptors is looked at again after this long.
constexpr int kPauseMs = 100;
// How often UDP sessions that were silent too long are looked for.
constexpr int kSweepMs = 5000;

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

int32_t Relay::add(int fd, const sockaddr_in& target, const Closed& closed, size_t capacity) {
  auto listener = std::make_unique<Listener>();
  listener->fd = Descriptor(fd);
  listener->target = target;
  listener->closed = closed;
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

int32_t Relay::addDatagrams(int fd, const sockaddr_in& target, const Closed& closed, size_t capacity, int64_t idleMs) {
  auto outer = std::make_unique<Outer>();
  outer->fd = Descriptor(fd);
  outer->target = target;
  outer->closed = closed;
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
  Closed closed{};
  closed.network.s_addr = htonl(static_cast<uint32_t>(integer(options, "network")));
  closed.mask.s_addr = htonl(static_cast<uint32_t>(integer(options, "mask")));
  int32_t number = isStream ? relay->add(fd, target, closed, capacity)
                            : relay->addDatagrams(fd, target, closed, capacity, idleMs);
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
