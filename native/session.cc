// Sessions of published UDP ports; see session.h. recvmsg(2) with IP_PKTINFO, ip(7).
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#include <vector>

#include "cold.h"
#include "session.h"

namespace bridgeport {

// The longest datagram.
constexpr size_t kDatagram = 65535;
// Datagrams of one socket before the others get their turn.
constexpr int kShare = 64;
// What the kernel keeps while the thread serves others: some 600 full packets.
constexpr int kBuffer = 1 << 20;

static int64_t nowMs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return static_cast<int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1000000;
}

size_t PeerHash::operator()(const Peer& peer) const {
  uint64_t word = (static_cast<uint64_t>(peer.address.sin_addr.s_addr) << 32 | peer.local.s_addr) ^ secret;
  word = (word ^ (word >> 31)) * 0x9e3779b97f4a7c15ull;
  word ^= static_cast<uint64_t>(peer.address.sin_port) << 32 | peer.outer;
  word = (word ^ (word >> 29)) * (secret | 1);
  return static_cast<size_t>(word ^ (word >> 32));
}

static PeerHash secretHash() {
  PeerHash hash;
  if (getrandom(&hash.secret, sizeof hash.secret, 0) < 0) throw SystemError{errno, "getrandom", "", ""};
  return hash;
}

Sessions::Sessions() : sessions_(64, secretHash()), buffer_(new uint8_t[kDatagram]) {}

void prepare(int fd) {
  int on = 1, length = kBuffer;
  if (setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on) < 0) throw SystemError{errno, "setsockopt", "", ""};
  // Root may have more than net.core.rmem_max; the others get what that allows.
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &length, sizeof length) < 0)
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &length, sizeof length);
}

void Sessions::touch(Session& session) {
  session.lastMs = nowMs();
  order_.splice(order_.end(), order_, session.place);
}

Session* Sessions::open(Outer& outer, const Peer& peer, int poll, size_t capacity) {
  if (order_.size() >= capacity) end(*order_.front());
  auto session = std::make_unique<Session>();
  session->outer = &outer;
  session->peer = peer;
  session->fd = Descriptor(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  int fd = session->fd.get();
  if (fd < 0 || connect(fd, reinterpret_cast<const sockaddr*>(&outer.target), sizeof outer.target) < 0) return nullptr;
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = static_cast<Source*>(session.get());
  if (epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event) < 0) return nullptr;
  Session* made = session.get();
  made->place = order_.insert(order_.end(), made);
  outer.open++;
  sessions_[peer] = std::move(session);
  return made;
}

void Sessions::receive(Outer& outer, int poll, size_t capacity) {
  for (int index = 0; index < kShare; index++) {
    Peer peer;
    peer.outer = outer.number;
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(in_pktinfo))];
    iovec part{buffer_.get(), kDatagram};
    msghdr message{};
    message.msg_name = &peer.address;
    message.msg_namelen = sizeof peer.address;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    ssize_t length = recvmsg(outer.fd.get(), &message, 0);
    // An error is one that an earlier answer met at a peer; it is taken with this call.
    if (length < 0 && errno != EAGAIN) continue;
    if (length < 0) return;
    if (outer.closed.to(peer.address, outer.target)) continue;
    for (cmsghdr* each = CMSG_FIRSTHDR(&message); each != nullptr; each = CMSG_NXTHDR(&message, each)) {
      if (each->cmsg_level != IPPROTO_IP || each->cmsg_type != IP_PKTINFO) continue;
      in_pktinfo info;
      memcpy(&info, CMSG_DATA(each), sizeof info);
      peer.local = info.ipi_spec_dst;
    }
    auto found = sessions_.find(peer);
    Session* session = found == sessions_.end() ? open(outer, peer, poll, capacity) : found->second.get();
    if (session == nullptr) continue;
    touch(*session);
    // The error of an earlier datagram, ICMP's answer to it, is reported once, and then this one has not been sent.
    ssize_t sent = send(session->fd.get(), buffer_.get(), static_cast<size_t>(length), MSG_NOSIGNAL);
    if (sent < 0 && errno == ECONNREFUSED)
      sent = send(session->fd.get(), buffer_.get(), static_cast<size_t>(length), MSG_NOSIGNAL);
    if (sent > 0) bytes += static_cast<double>(sent);
  }
}

void Sessions::answer(Session& session) {
  for (int index = 0; index < kShare; index++) {
    ssize_t length = recv(session.fd.get(), buffer_.get(), kDatagram, 0);
    if (length < 0 && errno == EINTR) continue;
    if (length < 0 && errno == EAGAIN) return;
    if (length < 0) return end(session);
    touch(session);
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(in_pktinfo))] = {};
    iovec part{buffer_.get(), static_cast<size_t>(length)};
    msghdr message{};
    message.msg_name = &session.peer.address;
    message.msg_namelen = sizeof session.peer.address;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = IPPROTO_IP;
    header->cmsg_type = IP_PKTINFO;
    header->cmsg_len = CMSG_LEN(sizeof(in_pktinfo));
    in_pktinfo info{};
    info.ipi_spec_dst = session.peer.local;
    memcpy(CMSG_DATA(header), &info, sizeof info);
    // A peer that is gone or a queue that is full: UDP promises nothing.
    ssize_t sent = sendmsg(session.outer->fd.get(), &message, MSG_NOSIGNAL);
    if (sent > 0) bytes += static_cast<double>(sent);
  }
}

void Sessions::sweep(int64_t idleMs) {
  int64_t before = nowMs() - idleMs;
  while (!order_.empty() && order_.front()->lastMs < before) end(*order_.front());
}

void Sessions::drop(const Outer& outer) {
  for (auto each = order_.begin(); each != order_.end();) {
    Session* session = *each++;
    if (session->outer == &outer) end(*session);
  }
}

void Sessions::end(Session& session) {
  session.dead = true;
  session.fd = Descriptor();
  session.outer->open--;
  order_.erase(session.place);
  auto found = sessions_.find(session.peer);
  dead_.push_back(std::move(found->second));
  sessions_.erase(found);
}

}  // namespace bridgeport
