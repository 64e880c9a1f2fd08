// The relay: TCP connections that come in at a listening socket go on to another address, moved in the kernel by splice(2), and
// so do datagrams that come in at a UDP socket (session.h).
//
// One thread serves all of them, beside the control thread, so neither waits for the other. Bytes go from a socket into a
// pipe and from the pipe into the other socket: pages change hands, nothing is copied into this process. A pipe belongs to a
// direction only while something is in it, so an idle connection holds two descriptors and no buffer.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_set>
#include <vector>

#include <netinet/in.h>

#include "addon.h"
#include "session.h"

namespace bridgeport {

struct Pipe {
  Descriptor read, write;
};

struct Connection;

struct Listener : Source {
  Descriptor fd;
  sockaddr_in target{};
  Closed closed;
  bool paused = false;
  std::unordered_set<Connection*> connections;
};

struct Side : Source {
  Connection* connection = nullptr;
  Descriptor fd;
  // What came from this side and is not yet with the other.
  Pipe pipe;
  size_t held = 0;
  bool ended = false;
  bool passed = false;
};

struct Connection {
  Listener* listener = nullptr;
  Side sides[2];
  bool connecting = true;
  bool dead = false;
  bool pending = false;
};

struct Counts {
  double accepted = 0, refused = 0, bytes = 0;
  size_t open = 0, sessions = 0;
};

class Relay {
 public:
  Relay() = default;
  ~Relay();
  // Takes a listening socket over; connections beyond `capacity` in all are reset. Returns its number.
  int32_t add(int fd, const sockaddr_in& target, const Closed& closed, size_t capacity);
  // The same for a bound UDP socket. The session that was silent longest makes room beyond `capacity`.
  int32_t addDatagrams(int fd, const sockaddr_in& target, const Closed& closed, size_t capacity, int64_t idleMs);
  // Closes a listening socket and cuts its connections; when it returns, the port is free.
  void remove(int32_t number);
  Counts counts();

 private:
  void start();
  int wait();
  void run();
  void serve(Source* source, uint32_t events);
  void accept(Listener& listener);
  void admit(Listener& listener, Descriptor client);
  void advance(Connection& connection, uint32_t events, const Side* side);
  bool move(Side& from, Side& to, size_t* budget);
  void end(Connection& connection, bool reset);
  bool takePipe(Pipe& pipe);
  void givePipe(Pipe& pipe);
  void resume();

  // Held by whoever works on what follows; never across a wait.
  std::mutex mutex_;
  std::thread thread_;
  Descriptor poll_, bell_;
  bool stopping_ = false;
  size_t capacity_ = 0;
  int32_t numbers_ = 0;
  bool anyPaused_ = false;
  std::map<int32_t, std::unique_ptr<Listener>> listeners_;
  std::vector<Connection*> pending_;
  std::map<int32_t, std::unique_ptr<Outer>> outers_;
  std::unique_ptr<Sessions> sessions_;
  size_t sessionsMax_ = 0;
  int64_t idleMs_ = 0;
  // Ended, but an event that was fetched before may still point to them.
  std::vector<std::unique_ptr<Source>> oldSockets_;
  std::vector<std::unique_ptr<Connection>> old_;
  std::vector<Pipe> pipes_;
  Counts counts_;
};

}  // namespace bridgeport
