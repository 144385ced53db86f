// Blocks of up to 64 KiB: from malloc, in size classes, kept in one free list per class.
//
// Not safe between threads: the caller holds the allocator's lock.
#pragma once

#include "blocks.h"

namespace retort {

class SmallBlocks {
 public:
  // Null when the system has no memory.
  Block* take(size_t bytes);
  void give(Block* block);
  // Gives everything kept back to malloc, and what malloc keeps to the system.
  void clear();
  // Bytes kept.
  size_t cached() const { return cached_; }

 private:
  Block* lists_[64] = {};
  size_t cached_ = 0;
};

}  // namespace retort
