#include "large_blocks.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <new>

namespace retort {
namespace {

constexpr size_t kHuge = size_t{2} << 20;             // transparent huge pages spare page faults and TLB misses
constexpr size_t kRange = size_t{256} << 30;          // address space costs nothing
constexpr size_t kSmallRange = size_t{256} << 20;     // where it is limited (ulimit -v, strict overcommit)
constexpr size_t kAskSystemFrom = size_t{256} << 20;  // above this, look whether the machine has the memory at all
constexpr size_t kLargest = size_t{1} << 46;          // half of what a process can address
constexpr size_t kLeastPiece = kPage;                 // a block is not cut for less
constexpr size_t kLeastCache = size_t{64} << 20;
constexpr int kStretch = 16 * 1024;

size_t round_up(size_t value, size_t to) { return (value + to - 1) / to * to; }
char* round_up(char* at, size_t to) { return at + (to - reinterpret_cast<uintptr_t>(at) % to) % to; }
char* round_down(char* at, size_t to) { return at - reinterpret_cast<uintptr_t>(at) % to; }

#if !defined(MADV_POPULATE_WRITE)
#define MADV_POPULATE_WRITE 23
#endif

// Gives memory to the pages between, small ones. What is refused (before Linux 5.14, for one) happens when they are written to, as ever;
// from then on they may become huge again, where pages may at all.
void touch(char* from, char* to, bool huge) {
  from = round_down(from, kPage);
  const auto bytes = static_cast<size_t>(round_up(to, kPage) - from);
  if (huge) madvise(from, bytes, MADV_NOHUGEPAGE);
  madvise(from, bytes, MADV_POPULATE_WRITE);
  if (huge) madvise(from, bytes, MADV_HUGEPAGE);
}

}  // namespace

size_t available_memory() {
  size_t kilobytes = SIZE_MAX / 1024;
  if (std::FILE* file = std::fopen("/proc/meminfo", "r")) {
    char line[128];
    while (std::fgets(line, sizeof line, file) != nullptr) {
      if (std::sscanf(line, "MemAvailable: %zu kB", &kilobytes) == 1) break;
    }
    std::fclose(file);
  }
  return kilobytes * 1024;
}

bool machine_has(size_t bytes) { return bytes <= kAskSystemFrom || bytes <= available_memory(); }

Block* LargeBlocks::take(size_t bytes, bool small_pages) {
  if (bytes > kLargest) return nullptr;
  bytes = round_up(bytes, kAlignment);
  Block* block = take_free(bytes);
  if (block == nullptr) block = take_new(bytes, small_pages);
  if (block != nullptr) note_use(block->bytes);
  return block;
}

void LargeBlocks::give(Block* block) {
  used_ -= block->bytes;
  block->backed = block->bytes;
  join(block);
}

// The smallest free block that fits.
Block* LargeBlocks::take_free(size_t bytes) {
  const auto found = free_.lower_bound({bytes, nullptr});
  if (found == free_.end()) return nullptr;
  Block* block = found->second;
  if (block->backed < bytes && !machine_has(bytes - block->backed)) return nullptr;
  remove(block);
  cut(block, bytes);
  return block;
}

// One behind all others.
Block* LargeBlocks::take_new(size_t bytes, bool small_pages) {
  if (!machine_has(bytes)) return nullptr;
  for (Range& range : ranges_) {
    if (Block* block = extend(range, bytes, small_pages)) return block;
  }
  Range* range = reserve(bytes);
  return range == nullptr ? nullptr : extend(*range, bytes, small_pages);
}

// Adds a block to the free ones, together with free neighbours.
void LargeBlocks::join(Block* block) {
  const auto merge = [&](Block* front, Block* back) {
    front->bytes += sizeof(Block) + back->bytes;
    front->backed += sizeof(Block) + back->backed;
    if (Block* next = after(front)) {
      next->before = front;
    } else {
      front->range->last = front;
    }
  };
  if (Block* next = after(block); next != nullptr && next->free) {
    remove(next);
    merge(block, next);
  }
  if (Block* before = block->before; before != nullptr && before->free) {
    remove(before);
    merge(before, block);
    block = before;
  }
  insert(block);
}

void LargeBlocks::trim(size_t allowed) {
  if (cached_ <= allowed) return;
  auto at = free_.end();
  while (cached_ > allowed && at != free_.begin()) {
    Block* block = std::prev(at)->second;
    if (block->backed == 0) {
      --at;
      continue;
    }
    release(block);
  }
}

// Makes a block that is in use no longer than needed; the rest becomes a free block behind it.
void LargeBlocks::cut(Block* block, size_t bytes) {
  if (block->bytes - bytes < sizeof(Block) + kLeastPiece) return;
  auto* rest = new (block->data() + bytes) Block();
  rest->large = true;
  rest->range = block->range;
  rest->before = block;
  rest->bytes = block->bytes - bytes - sizeof(Block);
  rest->backed = std::min(block->backed, rest->bytes);
  if (Block* next = after(block)) {
    next->before = rest;
  } else {
    block->range->last = rest;
  }
  block->bytes = bytes;
  insert(rest);
}

// A block at the end of a range; a free one that lies there becomes its beginning. Null when the range has not got the room.
Block* LargeBlocks::extend(Range& range, size_t bytes, bool small_pages) {
  Block* last = range.last;
  const bool grows = last != nullptr && last->free;
  char* start = grows ? reinterpret_cast<char*>(last) : range.end;
  if (static_cast<size_t>(range.limit - start) < sizeof(Block) + bytes) return nullptr;
  if (small_pages) touch(start, start + sizeof(Block) + bytes, huge_);
  if (grows) {
    remove(last);
  } else {
    last = new (start) Block();
    last->large = true;
    last->range = &range;
    last->before = range.last;
    range.last = last;
  }
  last->bytes = bytes;
  range.end = last->end();
  return last;
}

Range* LargeBlocks::reserve(size_t bytes) {
  const size_t least = bytes + sizeof(Block) + 2 * kHuge;
  for (const size_t wanted : {std::max(least, kRange), std::max(least, kSmallRange), least}) {
    // Without a reservation of swap: only what is touched counts.
    void* mapped = mmap(nullptr, wanted, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED) continue;
    char* start = round_up(static_cast<char*>(mapped), kHuge);
    char* limit = round_down(static_cast<char*>(mapped) + wanted, kHuge);
    if (huge_) madvise(start, static_cast<size_t>(limit - start), MADV_HUGEPAGE);
    return &ranges_.emplace_back(Range{start, start, limit, mapped, wanted, nullptr});
  }
  return nullptr;
}

Block* LargeBlocks::after(Block* block) const {
  return block->end() == block->range->end ? nullptr : reinterpret_cast<Block*>(block->end());
}

void LargeBlocks::insert(Block* block) {
  block->free = true;
  cached_ += block->backed;
  free_.emplace(block->bytes, block);
}

void LargeBlocks::remove(Block* block) {
  free_.erase({block->bytes, block});
  cached_ -= block->backed;
  block->free = false;
}

// Gives the whole pages of a free block back; the last block of a range goes altogether, and a range without blocks as well.
void LargeBlocks::release(Block* block) {
  remove(block);
  Range* range = block->range;
  if (block->end() != range->end) {
    char* from = round_up(block->data(), kPage);
    char* to = round_down(block->end(), kPage);
    if (to > from) madvise(from, static_cast<size_t>(to - from), MADV_DONTNEED);
    block->backed = 0;
    insert(block);
    return;
  }
  char* from = round_up(reinterpret_cast<char*>(block), kPage);
  char* to = round_up(range->end, kPage);
  range->last = block->before;
  range->end = reinterpret_cast<char*>(block);
  if (range->last != nullptr) {
    if (to > from) madvise(from, static_cast<size_t>(to - from), MADV_DONTNEED);
    return;
  }
  munmap(range->mapped, range->mapped_bytes);
  ranges_.remove_if([&](const Range& one) { return &one == range; });
}

// What a step needed at its peak, the next one will need again; what is kept beyond that goes back. A stretch is longer than a
// step, so its peak covers one; the last stretch counts too, or the beginning of a new one would look like little use.
void LargeBlocks::note_use(size_t bytes) {
  used_ += bytes;
  peak_ = std::max(peak_, used_);
  if (++taken_ < kStretch) return;
  const size_t needed = std::max(peak_, last_peak_) - used_;
  trim(std::max(kLeastCache, needed + needed / 4));
  last_peak_ = peak_;
  peak_ = used_;
  taken_ = 0;
}

}  // namespace retort
