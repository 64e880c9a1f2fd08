// Connections of the relay; see relay.h. Edge-triggered epoll(7), splice(2): what can be moved is moved until both sides stand.
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "relay.h"

namespace bridgeport {

// What one direction may hold: the kernel's largest pipe without privilege (fs.pipe-max-size).
constexpr size_t kPipe = 1 << 20;
// What one connection may move before the others get their turn.
constexpr size_t kShare = 4 << 20;
// Empty pipes that are kept for the next connection.
constexpr size_t kPipesKept = 64;
constexpr int kAccepts = 64;
// SYNs sent again after 1, 2, 4, 8 and 16 s: an address that never answers is given up after 31 s (tcp(7)).
constexpr int kRetries = 4;

static void option(int fd, int level, int name, int value) { setsockopt(fd, level, name, &value, sizeof value); }

// Closing then resets the connection.
static void resetOnClose(int fd) {
  linger now{1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

void Relay::accept(Listener& listener) {
  for (int index = 0; index < kAccepts; index++) {
    sockaddr_in peer{};
    socklen_t length = sizeof peer;
    auto* address = reinterpret_cast<sockaddr*>(&peer);
    Descriptor client(accept4(listener.fd.get(), address, &length, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (client.get() >= 0 && listener.closed.to(peer, listener.target)) {
      resetOnClose(client.get());
      counts_.refused++;
      continue;
    }
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

}  // namespace bridgeport
