// A caching allocator for CPU tensors: freed blocks are kept by size and handed out again.
//
// A training step asks for the same sizes over and over; going to malloc each time costs page faults (10% of a ResNet's step).
// Rules that libtorch and oneDNN set: data == context, raw_deleter() is there, deleting null is legal.
#pragma once

#include <cstddef>
#include <cstdint>

namespace retort {

struct AllocatorStats {
  int64_t allocated = 0;  // bytes in use by tensors
  int64_t peak = 0;       // the most they ever were (since the last reset)
  int64_t cached = 0;     // bytes kept for reuse
};

// While one is there, memory that this thread's tensors are the first to touch comes in small pages, and at once: for tensors that
// are filled from a file as a whole, whose pages of 2 MiB would have to be zeroed before. What the machine below has not given out yet
// makes that slow: where it is a virtual one, ten times as slow as small pages that were in use before.
class SmallPages {
 public:
  SmallPages();
  ~SmallPages();
  SmallPages(const SmallPages&) = delete;
  SmallPages& operator=(const SmallPages&) = delete;
};

void install_allocator();
AllocatorStats allocator_stats();
void reset_peak();
// Gives the kept blocks back to the system.
void empty_cache();

}  // namespace retort
