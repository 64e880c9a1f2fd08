// A memory-mapped receive ring of a packet socket, Documentation/networking/packet_mmap.rst, TPACKET_V2.
#pragma once

#include <cstddef>
#include <cstdint>

#include <linux/if_packet.h>

#include "binding.h"

namespace bridgeport {

// 4,096 frames of 2 KiB, 8 MiB: what a card delivers in 3 ms at 1.5 million frames a second. A frame of MTU 1500 and its notes
// take 1,600 bytes; what is longer waits in the socket's queue and has an entry here that says so (TP_STATUS_COPY).
constexpr unsigned kRingFrame = 2048;
constexpr unsigned kRingBlock = 65536;
constexpr unsigned kRingFrames = 4096;
constexpr size_t kRingLength = static_cast<size_t>(kRingFrame) * kRingFrames;

// Reads one frame of a packet socket into the slot freeTop[0], its columns into block[0]; the count or a negative errno.
int receivePacket(Binding* binding, int fd, const int32_t* freeTop, int32_t* block, int capacity);

// Puts a VLAN tag that the kernel keeps beside a frame back into it; returns the new length, -1 if it does not fit.
int restoreTag(uint8_t* frame, int length, const tpacket_auxdata& aux);

// As receivePacket, from the ring with this number.
int receiveRing(Binding* binding, int number, const int32_t* freeTop, int32_t* block, int capacity);

}  // namespace bridgeport
