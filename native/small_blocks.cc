#include "small_blocks.h"

#include <malloc.h>

#include <cstdlib>
#include <new>

namespace retort {
namespace {

constexpr int kClassesPerDoubling = 4;  // a block wastes at most a fifth

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

}  // namespace

Block* SmallBlocks::take(size_t bytes) {
  const int size_class = class_of(bytes);
  if (Block* block = lists_[size_class]) {
    lists_[size_class] = block->link;
    cached_ -= block->bytes;
    return block;
  }
  const size_t size = class_bytes(size_class);
  void* memory = std::aligned_alloc(kAlignment, sizeof(Block) + size);
  if (memory == nullptr) return nullptr;
  auto* block = new (memory) Block();
  block->bytes = size;
  block->size_class = size_class;
  return block;
}

void SmallBlocks::give(Block* block) {
  block->link = lists_[block->size_class];
  lists_[block->size_class] = block;
  cached_ += block->bytes;
}

void SmallBlocks::clear() {
  for (Block*& list : lists_) {
    while (Block* block = list) {
      list = block->link;
      std::free(block);
    }
  }
  cached_ = 0;
  malloc_trim(0);
}

}  // namespace retort
