// Unix sockets that carry frames as QEMU's stream and dgram netdevs do; see stream.cc and dgram.cc. A worker names them by number.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "binding.h"

namespace bridgeport {

// Gives a socket the lowest free number of its list.
template <typename Socket>
double number(std::vector<std::shared_ptr<Socket>>& list, std::shared_ptr<Socket> socket) {
  size_t free = 0;
  while (free < list.size() && list[free]) free++;
  if (free == list.size()) list.emplace_back();
  list[free] = std::move(socket);
  return static_cast<double>(free);
}

// The socket with a number, null if there is none.
template <typename Socket>
Socket* numbered(const std::vector<std::shared_ptr<Socket>>& list, int number) {
  return static_cast<size_t>(number) < list.size() ? list[static_cast<size_t>(number)].get() : nullptr;
}

// As receivePacket of ring.h: frames into the slots from freeTop[0] downwards, their columns into block; the count or a negative errno.
int receiveStream(Binding* binding, int number, const int32_t* freeTop, int32_t* block, int capacity);
int receiveDgram(Binding* binding, int number, const int32_t* freeTop, int32_t* block, int capacity);

// The first `count` frames of a block; how many were taken, and the third column tells of the others.
int transmitStream(Binding* binding, int number, int32_t* block, int count);
int transmitDgram(Binding* binding, int number, int32_t* block, int count);

}  // namespace bridgeport
