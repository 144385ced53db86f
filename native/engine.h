// The state of one environment (a main thread or a worker), and how JavaScript calls the addon's functions. What all
// environments of a process share is `Process`.
#pragma once

#include <ATen/core/Generator.h>
#include <c10/core/InferenceMode.h>

#include <array>
#include <memory>
#include <mutex>
#include <string>
#include <type_traits>
#include <vector>

#include "call_buffer.h"
#include "hooks.h"
#include "message.h"
#include "napi.h"
#include "operators.h"
#include "slots.h"

namespace retort {

// Generators of one's own, by number. A number whose generator was collected is used again.
struct Generators {
  std::vector<at::Generator> list;
  std::vector<size_t> free;
};

struct Engine {
  explicit Engine(Js environment) : js(environment), call_buffer(environment), hooks(environment) {}
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Frees all it holds, when the environment ends; finalizers may still look at it afterwards.
  void release();

  // The tensor behind a handle; throws when it was disposed or its scope has ended. Valid until the next tensor is made.
  const at::Tensor& tensor(Handle handle);
  // Handles in the call buffer: a count, then that many; 0 stands for an undefined tensor.
  std::vector<at::Tensor> read_tensors(Cursor& in);
  // A handle for a result (0: undefined).
  Handle handle_of(at::Tensor tensor, int32_t origin = -1);

  Js js;
  CallBuffer call_buffer;
  SlotTable slots;
  Operators operators;
  HookTable hooks;
  std::vector<std::string> strings;  // strings that JavaScript passes by number
  Generators generators;
  at::Tensor random_state;  // of the global generator, while another environment's stands there; see random.h
  std::vector<std::unique_ptr<c10::InferenceMode>> inference;
  std::shared_ptr<void> group;  // the process group, where this environment has joined one
  std::vector<Handle> made;     // of the results being written, in case a later one fails
};

// What all environments share. Lock it to read or to change it.
struct Process {
  std::mutex mutex;
  int environments = 0;
  int64_t threads = 0;       // of an operator; 0 before the first environment says so
  Engine* group = nullptr;   // which one has joined the process group
  Engine* random = nullptr;  // whose state libtorch's global generator has; under a lock of its own, see random.cc
};
Process& process();

// The arguments of a call; missing ones are `undefined`.
template <size_t N>
struct Args {
  Js js;
  std::array<napi_value, N> values{};
  Engine& engine;

  Args(napi_env env, napi_callback_info info)
      : js(env), engine(*static_cast<Engine*>(js.callback(info, N, values.data()))) {}

  double number(size_t i) const { return js.to_number(values[i]); }
  int64_t integer(size_t i) const { return whole_number(number(i)); }
  bool boolean(size_t i) const { return js.to_boolean(values[i]); }
  std::string string(size_t i) const { return js.to_string(values[i]); }
  Handle handle(size_t i) const { return handle_from(number(i)); }
  const at::Tensor& tensor(size_t i) const { return engine.tensor(handle(i)); }
};

inline napi_value to_js(Js, napi_value value) { return value; }
inline napi_value to_js(Js js, bool value) { return js.boolean(value); }
template <typename Number, typename = std::enable_if_t<std::is_arithmetic_v<Number>>>
napi_value to_js(Js js, Number value) {
  return js.number(static_cast<double>(value));
}

// A native function as Node-API wants it: C++ exceptions become JavaScript ones, results JavaScript values.
template <auto Function>
struct Callback;
template <typename Result, size_t N, Result (*Function)(const Args<N>&)>
struct Callback<Function> {
  static napi_value run(napi_env env, napi_callback_info info) {
    napi_value out = nullptr;
    const std::string error = message_of([&] {
      const Args<N> args(env, info);
      args.engine.hooks.release_dropped();
      if constexpr (std::is_void_v<Result>) {
        Function(args);
      } else {
        out = to_js(args.js, Function(args));
      }
    });
    if (error.empty()) return out;
    Js(env).raise("RETORT_ENGINE", error);
    return nullptr;
  }
};

// The object that JavaScript gets, while it is filled.
class Exports {
 public:
  Exports(Engine& engine, napi_value object) : engine_(engine), object_(object) {}

  template <auto Function>
  void add(const char* name) {
    engine_.js.set(object_, name, engine_.js.function(name, Callback<Function>::run, &engine_));
  }

 private:
  Engine& engine_;
  napi_value object_;
};

// The parts of the addon, each adding its functions.
void define_dispatch(Exports& exports);
void define_tensors(Exports& exports);
void define_autograd(Exports& exports);
void define_random(Exports& exports);
void define_distributed(Exports& exports);
// Whether libtorch was found with what a process group needs.
bool can_join_group();
// Whether tensors on CUDA can be exchanged without going through the CPU.
bool has_nccl();
void leave_group(Engine& engine);

}  // namespace retort
