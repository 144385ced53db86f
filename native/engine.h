// The state of the addon, one per process: libtorch may compute in one thread only (each would get its own OpenMP pool).
#pragma once

#include <ATen/core/Generator.h>
#include <node_api.h>

#include <string>
#include <vector>

#include "slots.h"

namespace retort {

// Arguments and results travel on the tape, an array of doubles shared with JavaScript: cheaper than Node-API values.
struct Tape {
  double* data = nullptr;
  size_t length = 0;
  napi_ref buffer = nullptr;

  Handle handle(size_t at) const { return static_cast<Handle>(data[at]); }
  int64_t integer(size_t at) const { return static_cast<int64_t>(data[at]); }
};

struct Engine {
  napi_env env = nullptr;
  Tape tape;
  SlotTable slots;
  std::vector<std::string> strings;        // strings that JavaScript passes by number
  std::vector<at::Generator> generators;   // handles are indices
};

Engine& engine();

// The tensor behind a handle; throws when it was disposed or its scope has ended.
const at::Tensor& tensor_at(Handle handle);
// Handles on the tape at `at`: a count, then that many; 0 stands for an undefined tensor. Moves `at` behind them.
std::vector<at::Tensor> read_tensors(size_t& at);
// Puts a result on the tape as a handle (0: undefined).
double handle_of(at::Tensor tensor, int32_t origin = -1);

// The parts of the addon, each adding its functions to the exports.
void define(napi_env env, napi_value exports, const char* name, napi_callback function);
void define_dispatch(napi_env env, napi_value exports);
void define_tensors(napi_env env, napi_value exports);
void define_autograd(napi_env env, napi_value exports);
void define_random(napi_env env, napi_value exports);
void define_distributed(napi_env env, napi_value exports);
// What an operator is called, for leak reports.
std::string operator_name(int32_t id);
// Whether libtorch was found with what a process group needs.
bool can_join_group();
// Drops what the part holds when the environment goes.
void clear_dispatch();
void clear_hooks();
void clear_distributed();

}  // namespace retort
