#include "allocator.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/util/Exception.h>

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

namespace retort {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kHeader = 64;                       // keeps the data behind it aligned
constexpr size_t kSmall = 64 * 1024;                 // up to here, blocks come in size classes
constexpr int kClassesPerDoubling = 4;               // a small block wastes at most a fifth
constexpr size_t kPage = 4096;
constexpr size_t kHuge = size_t{2} << 20;            // transparent huge pages spare page faults and TLB misses
constexpr size_t kAskSystemFrom = size_t{256} << 20; // above this, look whether the machine has the memory at all
constexpr size_t kLeastCache = size_t{64} << 20;

struct Header {
  size_t bytes;     // of the data area
  uint32_t mapped;  // large blocks come from mmap, small ones from aligned_alloc
  uint32_t size_class;
  Header* next;
};
static_assert(sizeof(Header) <= kHeader, "the header must fit in front of the data");

class SpinLock {
 public:
  void lock() {
    while (flag_.test_and_set(std::memory_order_acquire)) {
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

std::string readable(size_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f GiB", static_cast<double>(bytes) / (1u << 30));
  return text;
}

// Bytes the machine can still give, from /proc/meminfo; "unlimited" where that cannot be read.
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

int class_of(size_t bytes) {
  if (bytes <= kAlignment) return 0;
  const int exponent = 63 - __builtin_clzll(bytes - 1);  // 2^exponent < bytes <= 2^(exponent+1)
  const size_t step = (size_t{1} << exponent) / kClassesPerDoubling;
  const int within = static_cast<int>((bytes - 1 - (size_t{1} << exponent)) / step);
  return 1 + (exponent - 6) * kClassesPerDoubling + within;
}

size_t class_bytes(int size_class) {
  if (size_class == 0) return kAlignment;
  const int exponent = 6 + (size_class - 1) / kClassesPerDoubling;
  const size_t step = (size_t{1} << exponent) / kClassesPerDoubling;
  const size_t bytes = (size_t{1} << exponent) + step * ((size_class - 1) % kClassesPerDoubling + 1);
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

class CachingAllocator final : public c10::Allocator {
 public:
#if defined(RETORT_TORCH_2)
  c10::DataPtr allocate(size_t bytes) override {
#else
  c10::DataPtr allocate(size_t bytes) const override {
#endif
    void* data = const_cast<CachingAllocator*>(this)->take(bytes);
    return {data, data, &CachingAllocator::give, c10::Device(c10::DeviceType::CPU)};
  }
#if defined(RETORT_TORCH_2)
  void copy_data(void* to, const void* from, std::size_t count) const override { std::memcpy(to, from, count); }
#endif
  c10::DeleterFnPtr raw_deleter() const override { return &CachingAllocator::give; }

  AllocatorStats stats() {
    Locked guard(lock_);
    return stats_;
  }

  void reset_peak() {
    Locked guard(lock_);
    stats_.peak = stats_.allocated;
  }

  void empty() {
    Locked guard(lock_);
    for (auto& list : small_) {
      while (Header* header = list) {
        list = header->next;
        stats_.cached -= static_cast<int64_t>(header->bytes);
        std::free(header);
      }
    }
    trim(0);
  }

 private:
  void* take(size_t bytes) {
    if (bytes == 0) return nullptr;
    Header* header = bytes <= kSmall ? take_small(bytes) : take_large(bytes);
    return reinterpret_cast<char*>(header) + kHeader;
  }

  static void give(void* data);

  void count(const Header* header) {
    stats_.allocated += static_cast<int64_t>(header->bytes);
    stats_.peak = std::max(stats_.peak, stats_.allocated);
  }

  Header* take_small(size_t bytes) {
    const int size_class = class_of(bytes);
    {
      Locked guard(lock_);
      if (Header* header = small_[size_class]) {
        small_[size_class] = header->next;
        stats_.cached -= static_cast<int64_t>(header->bytes);
        count(header);
        return header;
      }
    }
    const size_t size = class_bytes(size_class);
    auto* header = static_cast<Header*>(std::aligned_alloc(kAlignment, size + kHeader));
    if (header == nullptr) fail(bytes);
    header->bytes = size;
    header->mapped = 0;
    header->size_class = static_cast<uint32_t>(size_class);
    Locked guard(lock_);
    count(header);
    return header;
  }

  Header* take_large(size_t bytes) {
    {
      Locked guard(lock_);
      // The smallest kept block that fits, if it does not waste more than an eighth.
      const auto found = large_.lower_bound(bytes);
      if (found != large_.end() && found->first - bytes <= bytes / 8) {
        Header* header = found->second.back();
        found->second.pop_back();
        if (found->second.empty()) large_.erase(found);
        stats_.cached -= static_cast<int64_t>(header->bytes);
        count(header);
        return header;
      }
      // What is kept but does not fit goes back before more is taken: the process stays near what its tensors need.
      const auto allowed = std::max<int64_t>(kLeastCache, stats_.peak - stats_.allocated - static_cast<int64_t>(bytes));
      trim(allowed);
    }
    if (bytes > kAskSystemFrom && bytes > available_memory()) {
      empty();
      if (bytes > available_memory()) fail(bytes);
    }
    const size_t total = (bytes + kHeader + kPage - 1) / kPage * kPage;
    void* memory = map(total);
    if (memory == nullptr) {
      empty();
      memory = map(total);
      if (memory == nullptr) fail(bytes);
    }
    auto* header = static_cast<Header*>(memory);
    header->bytes = total - kHeader;
    header->mapped = 1;
    Locked guard(lock_);
    count(header);
    return header;
  }

  // Anonymous memory; from two huge pages up, aligned to one and offered to the kernel as such.
  static void* map(size_t total) {
    const size_t extra = total >= 2 * kHuge ? kHuge : 0;
    void* memory = mmap(nullptr, total + extra, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return nullptr;
    if (extra == 0) return memory;
    auto* start = static_cast<char*>(memory);
    const size_t before = (kHuge - reinterpret_cast<uintptr_t>(start) % kHuge) % kHuge;
    if (before > 0) munmap(start, before);
    if (extra > before) munmap(start + before + total, extra - before);
    madvise(start + before, total / kHuge * kHuge, MADV_HUGEPAGE);
    return start + before;
  }

  // Unmaps kept large blocks, the biggest first, until at most `allowed` bytes are kept. The lock is held.
  void trim(int64_t allowed) {
    while (stats_.cached > allowed && !large_.empty()) {
      const auto last = std::prev(large_.end());
      Header* header = last->second.back();
      last->second.pop_back();
      if (last->second.empty()) large_.erase(last);
      stats_.cached -= static_cast<int64_t>(header->bytes);
      munmap(header, header->bytes + kHeader);
    }
  }

  [[noreturn]] static void fail(size_t bytes) {
    TORCH_CHECK(false, "out of memory: ", readable(bytes), " were asked for, ", readable(available_memory()),
                " are available");
    std::abort();
  }

  SpinLock lock_;
  AllocatorStats stats_;
  Header* small_[64] = {};
  std::map<size_t, std::vector<Header*>> large_;
};

// Never destroyed: tensors may outlive every static.
CachingAllocator& allocator() {
  static auto* instance = new CachingAllocator();
  return *instance;
}

void CachingAllocator::give(void* data) {
  if (data == nullptr) return;
  CachingAllocator& self = allocator();
  auto* header = reinterpret_cast<Header*>(static_cast<char*>(data) - kHeader);
  Locked guard(self.lock_);
  self.stats_.allocated -= static_cast<int64_t>(header->bytes);
  self.stats_.cached += static_cast<int64_t>(header->bytes);
  if (header->mapped != 0) {
    self.large_[header->bytes].push_back(header);
  } else {
    header->next = self.small_[header->size_class];
    self.small_[header->size_class] = header;
  }
}

}  // namespace

void install_allocator() { c10::SetCPUAllocator(&allocator(), /*priority=*/100); }
AllocatorStats allocator_stats() { return allocator().stats(); }
void reset_peak() { allocator().reset_peak(); }
void empty_cache() { allocator().empty(); }

}  // namespace retort
