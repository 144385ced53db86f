// Blocks of more than 64 KiB: cut from ranges of address space, best fit first, joined with free neighbours when given back.
//
// A training step asks for the same sizes in the same order each time. Once the blocks lie where one step fits, the next finds
// the same places free: no system call, no page fault, no page to be zeroed.
//
// - A range is reserved once, far larger than what is used; its pages get memory when first touched. Blocks tile it from its
//   start to `end`, without gaps; behind `end` nothing was ever touched (or it was given back).
// - `free_` holds the free blocks by size, then address, and no two neighbours are in it. Of blocks of one size the one with the
//   lowest address is taken, so that what is free gathers at the end.
// - Memory goes back to the system in `trim` only; the address space stays until its range is empty. `backed` bounds from above
//   what a free block holds.
//
// Not safe between threads: the caller holds the allocator's lock.
#pragma once

#include <list>
#include <set>
#include <utility>

#include "blocks.h"

namespace retort {

struct Range {
  char* start;  // where the first block is
  char* end;    // behind the last block
  char* limit;
  void* mapped;  // what mmap returned, and how much
  size_t mapped_bytes;
  Block* last;  // null: empty
};

class LargeBlocks {
 public:
  // Without `huge` all pages are small.
  explicit LargeBlocks(bool huge) : huge_(huge) {}

  // Null when the address space is used up, or the machine has not got the memory. With `small_pages`, memory that was never
  // touched comes in such, and at once.
  Block* take(size_t bytes, bool small_pages);
  void give(Block* block);
  // Gives memory of free blocks back to the system, the largest first, until at most `allowed` bytes of them may have some.
  void trim(size_t allowed);
  // Bytes of free blocks that may have memory.
  size_t cached() const { return cached_; }

 private:
  Block* take_free(size_t bytes);
  Block* take_new(size_t bytes, bool small_pages);
  void join(Block* block);
  void cut(Block* block, size_t bytes);
  Block* extend(Range& range, size_t bytes, bool small_pages);
  Range* reserve(size_t bytes);
  Block* after(Block* block) const;
  void insert(Block* block);
  void remove(Block* block);
  void release(Block* block);
  void note_use(size_t bytes);

  const bool huge_;
  std::set<std::pair<size_t, Block*>> free_;
  std::list<Range> ranges_;  // each stays where it is: its blocks point to it
  size_t cached_ = 0;
  size_t used_ = 0;
  // The most in use in this and in the last stretch of so many blocks taken: see note_use.
  size_t peak_ = 0;
  size_t last_peak_ = 0;
  int taken_ = 0;
};

// Bytes the machine can still give, from /proc/meminfo; more than any request where that cannot be read.
size_t available_memory();
// Whether so many bytes can be touched. Small requests are not worth the question: it costs some ten microseconds.
bool machine_has(size_t bytes);

}  // namespace retort
