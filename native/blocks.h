// What the allocator hands out: a header of one cache line, then the data that a tensor sees.
#pragma once

#include <cstddef>
#include <cstdint>

namespace retort {

constexpr size_t kAlignment = 64;     // of the data, as libtorch and oneDNN want it
constexpr size_t kSmall = 64 * 1024;  // up to here, blocks come in size classes; above, they are cut to measure
constexpr size_t kPage = 4096;
constexpr int kOfMalloc = -1;

struct Range;

struct alignas(kAlignment) Block {
  size_t bytes = 0;  // of the data
  bool large = false;

  // Of small blocks only; `kOfMalloc` for a block that malloc gave, and gets back.
  int size_class = 0;
  Block* link = nullptr;  // the next one in the free list

  // Of large blocks only; see large_blocks.h.
  bool free = false;
  Range* range = nullptr;
  Block* before = nullptr;  // the neighbour in front, null for the first of a range
  size_t backed = 0;        // how many bytes of a free block the system may have given memory for

  char* data() { return reinterpret_cast<char*>(this + 1); }
  char* end() { return data() + bytes; }
  static Block* of(void* data) { return static_cast<Block*>(data) - 1; }
};
static_assert(sizeof(Block) == kAlignment, "the header must keep the data behind it aligned");

}  // namespace retort
