// Published UDP ports: one socket for the world, and for every peer that sends to it a connected socket towards the guest, so
// that answers find their way back. They leave with the address that the peer wrote to, also where the host has several.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <unordered_map>
#include <vector>

#include <netinet/in.h>

#include "addon.h"

namespace bridgeport {

// What an epoll event of the relay points to.
struct Source {
  virtual ~Source() = default;
};

struct Outer;

// A peer of a published port; `local` is the address that it wrote to.
struct Peer {
  sockaddr_in address{};
  in_addr local{};
  uint32_t outer = 0;

  bool operator==(const Peer& other) const {
    return address.sin_addr.s_addr == other.address.sin_addr.s_addr && address.sin_port == other.address.sin_port &&
           local.s_addr == other.local.s_addr && outer == other.outer;
  }
};

// The peer chooses its address and port, so the secret keeps it from choosing the bucket.
struct PeerHash {
  uint64_t secret = 0;
  size_t operator()(const Peer& peer) const;
};

struct Session : Source {
  Outer* outer = nullptr;
  Peer peer;
  Descriptor fd;
  int64_t lastMs = 0;
  bool dead = false;
  std::list<Session*>::iterator place;
};

// Who may not come in at a published port: the network's own guests, if they may not reach each other. They show the address of
// the link's end, which is where the port leads to, or, untranslated, their own.
struct Closed {
  in_addr network{};
  // 0: everybody may
  in_addr mask{};

  bool to(const sockaddr_in& peer, const sockaddr_in& target) const {
    if (mask.s_addr == 0) return false;
    bool isOwn = ((peer.sin_addr.s_addr ^ network.s_addr) & mask.s_addr) == 0;
    return isOwn || peer.sin_addr.s_addr == target.sin_addr.s_addr;
  }
};

struct Outer : Source {
  Descriptor fd;
  sockaddr_in target{};
  Closed closed;
  uint32_t number = 0;
  size_t open = 0;
};

// The sessions of all published ports, in the relay's thread and under its lock.
class Sessions {
 public:
  Sessions();
  // Datagrams that wait at a published port go on to its guest; sessions that are new enter `poll`.
  void receive(Outer& outer, int poll, size_t capacity);
  // What a guest answered goes back. A session that the guest refused (ICMP) ends.
  void answer(Session& session);
  // Ends those without a datagram in either direction for `idleMs`.
  void sweep(int64_t idleMs);
  void drop(const Outer& outer);
  size_t count() const { return order_.size(); }
  // Frees what ended; no event may point to it any more.
  void bury() { dead_.clear(); }
  double bytes = 0;

 private:
  Session* open(Outer& outer, const Peer& peer, int poll, size_t capacity);
  void end(Session& session);
  void touch(Session& session);

  std::unordered_map<Peer, std::unique_ptr<Session>, PeerHash> sessions_;
  // The one that was used last stands at the end.
  std::list<Session*> order_;
  std::vector<std::unique_ptr<Session>> dead_;
  std::unique_ptr<uint8_t[]> buffer_;
};

// Makes a bound UDP socket say which address was written to; throws.
void prepare(int fd);

}  // namespace bridgeport
