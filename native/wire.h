// Unix sockets that carry frames as QEMU's stream and dgram netdevs do; see stream.cc and dgram.cc. A worker names them by number.
#pragma once

#include <cstdint>

#include "binding.h"

namespace bridgeport {

// As receivePacket of ring.h: frames into the slots from freeTop[0] downwards, their columns into block; the count or a negative errno.
int receiveStream(Binding* binding, int number, const int32_t* freeTop, int32_t* block, int capacity);
int receiveDgram(Binding* binding, int number, const int32_t* freeTop, int32_t* block, int capacity);

// The first `count` frames of a block; how many were taken, and the third column tells of the others.
int transmitStream(Binding* binding, int number, int32_t* block, int count);
int transmitDgram(Binding* binding, int number, int32_t* block, int count);

}  // namespace bridgeport
