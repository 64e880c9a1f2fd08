// A guest's memory, which its front-end shares: mappings of descriptors, and tables of regions by guest-physical address
// (vhost-user, "Memory region description").
//
// The guest is hostile and says where its buffers lie: every address goes through a table, in 64 bits, and what a table hands
// out lies wholly inside one region. Tables never change; a new memory is a new table, and whoever frees one has made sure
// before that no thread reads it any more.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

namespace bridgeport {

struct GuestRegion {
  uint64_t guest = 0;   // guest-physical address
  uint64_t length = 0;
  uint64_t user = 0;    // the front-end's own address
  uint8_t* base = nullptr;
  int32_t mapping = -1;
};

class GuestTable {
 public:
  // Takes regions sorted by guest address, and one more of length 0: the near region of a table without any.
  GuestTable(std::unique_ptr<GuestRegion[]> regions, int count) : regions(std::move(regions)), count(count) {}

  // `length` bytes at a guest-physical address, nullptr unless they lie in one region. `near` is the caller's: the region that the
  // last address was in, 0 at first and whenever the table is another.
  uint8_t* translate(uint64_t guest, uint32_t length, int* near) const {
    uint64_t at = guest - regions[*near].guest;
    if (at >= regions[*near].length) {
      if (!find(guest, near)) return nullptr;
      at = guest - regions[*near].guest;
    }
    return length <= regions[*near].length - at ? regions[*near].base + at : nullptr;
  }

  // As translate, for what may go on in the next region: shortens `length` to the bytes that lie in this one, at least one.
  uint8_t* span(uint64_t guest, uint32_t* length, int* near) const {
    uint64_t at = guest - regions[*near].guest;
    if (at >= regions[*near].length) {
      if (!find(guest, near)) return nullptr;
      at = guest - regions[*near].guest;
    }
    uint64_t left = regions[*near].length - at;
    if (*length > left) *length = static_cast<uint32_t>(left);
    return regions[*near].base + at;
  }

  // `length` bytes at an address of the front-end's own, nullptr unless they lie in one region.
  uint8_t* locate(uint64_t user, uint64_t length) const;

  // True once pages of the memory have vanished: what was read since then may be zeros that the guest never wrote.
  bool faulted() const;

  const std::unique_ptr<GuestRegion[]> regions;
  const int count;

 private:
  bool find(uint64_t guest, int* near) const;

  // How many faults the process had when none was found to be of this table.
  mutable std::atomic<uint32_t> seen_{0};
};

// The table with this number, nullptr if there is none. Any thread; takes no lock.
GuestTable* guestTableOf(int32_t number);

}  // namespace bridgeport
