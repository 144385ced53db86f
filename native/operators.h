// What is known of an operator: how its arguments travel, what it returns, and the state that calling needs.
#pragma once

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

namespace retort {

// How an argument travels. The numbers are shared with src/torch/encode.ts.
enum Kind : int {
  kTensor = 0,
  kInt = 1,
  kFloat = 2,
  kBool = 3,
  kScalar = 4,
  kString = 5,
  kDType = 6,
  kLayout = 7,
  kMemoryFormat = 8,
  kDevice = 9,
  kGenerator = 10,
  kIntList = 11,
  kFloatList = 12,
  kBoolList = 13,
  kTensorList = 14,
  kOptionalTensorList = 15,
  kScalarList = 16,
  kUnsupported = 17,
};

struct Argument {
  Kind kind;
  c10::IValue fallback;
  bool has_default;
};

struct Operator {
  c10::OperatorHandle handle;
  std::string name;
  std::vector<Argument> arguments;
  std::vector<Kind> returns;
  bool returns_self = false;  // in-place: the result is the first argument, and gets no handle of its own
  bool draws = false;         // takes random numbers
  bool differentiates = false;  // calls hooks
};

// The operators an environment has looked up, and the stacks its calls use. Both stay where they are while they grow: a hook
// that an operator runs may look up and call others.
struct Operators {
  std::deque<Operator> list;
  std::deque<torch::jit::Stack> stacks;  // kept for their memory; only the first `depth` are in use
  size_t depth = 0;

  // What an operator is called, for leak reports.
  std::string name(int32_t id) const {
    return id >= 0 && static_cast<size_t>(id) < list.size() ? list[static_cast<size_t>(id)].name : "";
  }
};

}  // namespace retort
