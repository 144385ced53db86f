// The global random stream. libtorch has one default generator for the whole process; here each environment has a stream of its
// own, so that a seed gives the same numbers whatever other threads draw.
#pragma once

#include <mutex>

#include "engine.h"

namespace retort {

// While it lives, libtorch's default generator has this environment's state, and no other environment draws.
class RandomStream {
 public:
  explicit RandomStream(Engine& engine);

 private:
  std::unique_lock<std::mutex> lock_;
};

// Leaves the generator to the others, when the environment ends.
void leave_random(Engine& engine);

}  // namespace retort
