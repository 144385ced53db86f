#include "allocator.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/util/Exception.h>

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "compat.h"
#include "large_blocks.h"
#include "small_blocks.h"

#if defined(RETORT_SANITIZE)
#include <malloc.h>
#endif

namespace retort {
namespace {

#if defined(RETORT_SANITIZE)
// AddressSanitizer sees an overflow of what malloc gave, and not of what lies side by side in our blocks. So in its build each
// tensor comes from malloc, unless our blocks are what is tested.
const bool from_malloc = std::getenv("RETORT_OWN_BLOCKS") == nullptr;
#endif

// Held for some ten nanoseconds, unless the system is asked for memory or given some back.
class SpinLock {
 public:
  void lock() {
    for (int tries = 1; flag_.test_and_set(std::memory_order_acquire); ++tries) {
      if (tries % 64 == 0) sched_yield();
    }
  }
  void unlock() { flag_.clear(std::memory_order_release); }

 private:
  std::atomic_flag flag_ = ATOMIC_FLAG_INIT;
};

struct Locked {
  explicit Locked(SpinLock& lock) : lock_(lock) { lock_.lock(); }
  ~Locked() { lock_.unlock(); }
  SpinLock& lock_;
};

// How many SmallPages there are.
thread_local int small_pages = 0;

std::string readable(size_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f GiB", static_cast<double>(bytes) / (1u << 30));
  return text;
}

class CachingAllocator final : public c10::Allocator {
 public:
#if RETORT_ALLOCATE_MUTABLE
  c10::DataPtr allocate(size_t bytes) override {
#else
  c10::DataPtr allocate(size_t bytes) const override {
#endif
    void* data = const_cast<CachingAllocator*>(this)->take(bytes);
    return {data, data, &CachingAllocator::give, c10::Device(c10::DeviceType::CPU)};
  }
#if RETORT_ALLOCATOR_COPIES
  void copy_data(void* to, const void* from, std::size_t count) const override { std::memcpy(to, from, count); }
#endif
  c10::DeleterFnPtr raw_deleter() const override { return &CachingAllocator::give; }

  AllocatorStats stats() {
    Locked guard(lock_);
    return {allocated_, peak_, static_cast<int64_t>(small_.cached() + large_.cached())};
  }

  void reset_peak() {
    Locked guard(lock_);
    peak_ = allocated_;
  }

  void empty() {
    Locked guard(lock_);
    small_.clear();
    large_.trim(0);
  }

 private:
  void* take(size_t bytes) {
    if (bytes == 0) return nullptr;
#if defined(RETORT_SANITIZE)
    if (from_malloc) return take_from_malloc(bytes);
#endif
    Block* block = try_take(bytes);
    if (block == nullptr) {
      empty();
      block = try_take(bytes);
    }
    if (block == nullptr) fail(bytes);
    return block->data();
  }

  Block* try_take(size_t bytes) {
    Locked guard(lock_);
    Block* block = bytes <= kSmall ? small_.take(bytes) : large_.take(bytes, small_pages > 0);
    if (block != nullptr) count(block->bytes);
    return block;
  }

  void count(size_t bytes) {
    allocated_ += static_cast<int64_t>(bytes);
    peak_ = std::max(peak_, allocated_);
  }

#if defined(RETORT_SANITIZE)
  void* take_from_malloc(size_t bytes) {
    void* data = nullptr;
    if (bytes > available_memory() || posix_memalign(&data, kAlignment, bytes) != 0) fail(bytes);
    Locked guard(lock_);
    count(malloc_usable_size(data));
    return data;
  }
#endif

  static void give(void* data);

  [[noreturn]] static void fail(size_t bytes) {
    TORCH_CHECK(false, "out of memory: ", readable(bytes), " were asked for, ", readable(available_memory()),
                " are available");
    std::abort();
  }

  SpinLock lock_;
  SmallBlocks small_;
  LargeBlocks large_;
  int64_t allocated_ = 0;
  int64_t peak_ = 0;
};

// Never destroyed: tensors may outlive every static.
CachingAllocator& allocator() {
  static auto* instance = new CachingAllocator();
  return *instance;
}

void CachingAllocator::give(void* data) {
  if (data == nullptr) return;
  CachingAllocator& self = allocator();
#if defined(RETORT_SANITIZE)
  if (from_malloc) {
    {
      Locked guard(self.lock_);
      self.allocated_ -= static_cast<int64_t>(malloc_usable_size(data));
    }
    return std::free(data);
  }
#endif
  Block* block = Block::of(data);
  Locked guard(self.lock_);
  self.allocated_ -= static_cast<int64_t>(block->bytes);
  if (block->large) {
    self.large_.give(block);
  } else {
    self.small_.give(block);
  }
}

}  // namespace

SmallPages::SmallPages() { ++small_pages; }
SmallPages::~SmallPages() { --small_pages; }

void install_allocator() { c10::SetCPUAllocator(&allocator(), /*priority=*/100); }
AllocatorStats allocator_stats() { return allocator().stats(); }
void reset_peak() { allocator().reset_peak(); }
void empty_cache() { allocator().empty(); }

}  // namespace retort
