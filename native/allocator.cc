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
#include <new>
#include <sstream>
#include <string>

#include "compat.h"
#include "large_blocks.h"
#include "small_blocks.h"

namespace retort {
namespace {

// AddressSanitizer sees an overflow of what malloc gave, and not of what lies side by side in our blocks. So in its build each
// tensor comes from malloc, unless our blocks are what is tested.
#if defined(RETORT_SANITIZE)
constexpr const char* kPieces = "malloc";
#else
constexpr const char* kPieces = "small,large,huge";
#endif

// Which pieces of the allocator are in use; blocks that none of them has come from malloc.
struct Pieces {
  bool small = false, large = false, huge = false;

  // As RETORT_ALLOCATOR says, by which `npm run bench -- allocator` measures what each piece is worth.
  static Pieces chosen() {
    Pieces out;
    const char* text = std::getenv("RETORT_ALLOCATOR");
    std::istringstream list(text == nullptr || *text == '\0' ? kPieces : text);
    for (std::string name; std::getline(list, name, ',');) {
      if (name == "malloc") continue;
      bool* piece = name == "small"   ? &out.small
                    : name == "large" ? &out.large
                    : name == "huge"  ? &out.huge
                                      : nullptr;
      TORCH_CHECK(piece != nullptr, "RETORT_ALLOCATOR: expected malloc, or some of small, large and huge, got ", name);
      *piece = true;
    }
    return out;
  }
};

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
  explicit CachingAllocator(Pieces pieces) : pieces_(pieces), large_(pieces.huge) {}

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
    Block* block = try_take(bytes);
    if (block == nullptr) {
      empty();
      block = try_take(bytes);
    }
    if (block == nullptr) fail(bytes);
    return block->data();
  }

  Block* try_take(size_t bytes) {
    const bool is_small = bytes <= kSmall;
    const bool ours = is_small ? pieces_.small : pieces_.large;
    Block* block = ours ? nullptr : take_from_malloc(bytes);
    Locked guard(lock_);
    if (ours) block = is_small ? small_.take(bytes) : large_.take(bytes, small_pages > 0);
    if (block != nullptr) count(block->bytes);
    return block;
  }

  void count(size_t bytes) {
    allocated_ += static_cast<int64_t>(bytes);
    peak_ = std::max(peak_, allocated_);
  }

  static Block* take_from_malloc(size_t bytes) {
    void* memory = nullptr;
    if (!machine_has(bytes) || posix_memalign(&memory, kAlignment, sizeof(Block) + bytes) != 0) return nullptr;
    auto* block = new (memory) Block();
    block->bytes = bytes;
    block->size_class = kOfMalloc;
    return block;
  }

  static void give(void* data);

  [[noreturn]] static void fail(size_t bytes) {
    TORCH_CHECK(false, "out of memory: ", readable(bytes), " were asked for, ", readable(available_memory()),
                " are available");
    std::abort();
  }

  const Pieces pieces_;
  SpinLock lock_;
  SmallBlocks small_;
  LargeBlocks large_;
  int64_t allocated_ = 0;
  int64_t peak_ = 0;
};

// Never destroyed: tensors may outlive every static.
CachingAllocator& allocator() {
  static auto* instance = new CachingAllocator(Pieces::chosen());
  return *instance;
}

void CachingAllocator::give(void* data) {
  if (data == nullptr) return;
  CachingAllocator& self = allocator();
  Block* block = Block::of(data);
  {
    Locked guard(self.lock_);
    self.allocated_ -= static_cast<int64_t>(block->bytes);
    if (block->large) return self.large_.give(block);
    if (block->size_class != kOfMalloc) return self.small_.give(block);
  }
  std::free(block);
}

}  // namespace

SmallPages::SmallPages() { ++small_pages; }
SmallPages::~SmallPages() { --small_pages; }

void install_allocator() { c10::SetCPUAllocator(&allocator(), /*priority=*/100); }
AllocatorStats allocator_stats() { return allocator().stats(); }
void reset_peak() { allocator().reset_peak(); }
void empty_cache() { allocator().empty(); }

}  // namespace retort
