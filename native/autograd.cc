// Autograd: backward, grad, gradient modes, autocast, and JavaScript hooks on tensors.
#include <ATen/autocast_mode.h>
#include <c10/core/GradMode.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/variable.h>

#include <functional>
#include <memory>
#include <thread>

#include "engine.h"
#include "napi.h"

namespace retort {
namespace {

using torch::autograd::variable_list;

const at::Tensor& tensor_argument(const Args<2>& args) { return tensor_at(static_cast<Handle>(args.number(0))); }

napi_value set_requires_grad(napi_env env, napi_callback_info info) {
  Args<2> args(env, info);
  tensor_argument(args).set_requires_grad(args.boolean(1));
  return nullptr;
}

napi_value grad_of(napi_env env, napi_callback_info info) {
  Args<2> args(env, info);
  return make_number(env, handle_of(tensor_argument(args).grad()));
}

napi_value set_grad(napi_env env, napi_callback_info info) {
  Args<2> args(env, info);
  const auto handle = static_cast<Handle>(args.number(1));
  const at::Tensor gradient = handle == 0 ? at::Tensor() : tensor_at(handle);
  tensor_argument(args).mutable_grad() = gradient;
  return nullptr;
}

napi_value retain_grad(napi_env env, napi_callback_info info) {
  Args<2> args(env, info);
  tensor_argument(args).retain_grad();
  return nullptr;
}

// Of each tensor in the list on the tape, the gradient: handles in its place (0: none).
napi_value grads(napi_env, napi_callback_info) {
  size_t at = 0;
  const variable_list tensors = read_tensors(at);
  double* out = engine().tape.data;
  for (size_t i = 0; i < tensors.size(); ++i) out[1 + i] = handle_of(tensors[i].grad());
  return nullptr;
}

// Sets the gradient of each tensor in the list on the tape to none.
napi_value clear_grads(napi_env, napi_callback_info) {
  size_t at = 0;
  for (const at::Tensor& tensor : read_tensors(at)) tensor.mutable_grad().reset();
  return nullptr;
}

// backward(retainGraph, createGraph), tape: roots, their gradients, the leaves to reach (none: all).
napi_value backward(napi_env env, napi_callback_info info) {
  Args<2> args(env, info);
  size_t at = 0;
  const variable_list roots = read_tensors(at);
  const variable_list gradients = read_tensors(at);
  const variable_list inputs = read_tensors(at);
  torch::autograd::backward(roots, gradients, args.boolean(0), args.boolean(1), inputs);
  return nullptr;
}

// grad(retainGraph, createGraph, allowUnused), tape as for backward; leaves a count and the handles on the tape.
napi_value grad(napi_env env, napi_callback_info info) {
  Args<3> args(env, info);
  size_t at = 0;
  const variable_list outputs = read_tensors(at);
  const variable_list gradients = read_tensors(at);
  const variable_list inputs = read_tensors(at);
  variable_list results =
      torch::autograd::grad(outputs, inputs, gradients, args.boolean(0), args.boolean(1), args.boolean(2));
  double* out = engine().tape.data;
  out[0] = static_cast<double>(results.size());
  for (size_t i = 0; i < results.size(); ++i) out[1 + i] = handle_of(std::move(results[i]));
  return nullptr;
}

napi_value set_grad_enabled(napi_env env, napi_callback_info info) {
  const bool before = c10::GradMode::is_enabled();
  c10::GradMode::set_enabled(Args<1>(env, info).boolean(0));
  return make_boolean(env, before);
}

napi_value grad_enabled(napi_env env, napi_callback_info) { return make_boolean(env, c10::GradMode::is_enabled()); }

std::vector<std::unique_ptr<c10::InferenceMode>>& inference_guards() {
  static auto* guards = new std::vector<std::unique_ptr<c10::InferenceMode>>();
  return *guards;
}

napi_value enter_inference(napi_env, napi_callback_info) {
  inference_guards().push_back(std::make_unique<c10::InferenceMode>(true));
  return nullptr;
}

napi_value exit_inference(napi_env, napi_callback_info) {
  if (!inference_guards().empty()) inference_guards().pop_back();
  return nullptr;
}

// setAutocast(state): CPU autocast in the dtype of that number, or off where it is -1. All of it or, where libtorch does not
// compute in that dtype, nothing. Returns the state before. A change drops the cached casts.
napi_value set_autocast(napi_env env, napi_callback_info info) {
  const int64_t wanted = Args<1>(env, info).integer(0);
  const bool enabled = wanted >= 0;
  const auto dtype = static_cast<at::ScalarType>(wanted);
#if defined(RETORT_TORCH_2)
  TORCH_CHECK(!enabled || dtype == at::kBFloat16 || dtype == at::kHalf, "autocast: dtype: on a CPU it computes in bfloat16 or float16, got ", dtype);
  const int64_t before = at::autocast::is_autocast_enabled(at::kCPU) ? static_cast<int64_t>(at::autocast::get_autocast_dtype(at::kCPU)) : -1;
  if (enabled) at::autocast::set_autocast_dtype(at::kCPU, dtype);
  at::autocast::set_autocast_enabled(at::kCPU, enabled);
#else
  TORCH_CHECK(!enabled || dtype == at::kBFloat16, "autocast: dtype: on a CPU it computes in bfloat16, got ", dtype);
  const int64_t before = at::autocast::is_cpu_enabled() ? static_cast<int64_t>(at::autocast::get_autocast_cpu_dtype()) : -1;
  if (enabled) at::autocast::set_autocast_cpu_dtype(dtype);
  at::autocast::set_cpu_enabled(enabled);
#endif
  if (wanted != before) at::autocast::clear_cache();
  return make_number(env, static_cast<double>(before));
}

// A JavaScript function kept for a hook. The graph may drop it while a garbage collection runs, when JavaScript is out of
// reach, so references go to a list that the next call empties.
std::vector<napi_ref>& dropped_references() {
  static auto* list = new std::vector<napi_ref>();
  return *list;
}

struct HookFunction {
  napi_ref reference;
  explicit HookFunction(napi_ref ref) : reference(ref) {}
  ~HookFunction() { dropped_references().push_back(reference); }
};

void release_dropped(napi_env env) {
  for (napi_ref reference : dropped_references()) napi_delete_reference(env, reference);
  dropped_references().clear();
}

// registerHook(handle, (gradient handle) => handle or 0) -> position of the hook on this tensor.
napi_value register_hook(napi_env env, napi_callback_info info) {
  Args<2> args(env, info);
  release_dropped(env);
  const at::Tensor& tensor = tensor_argument(args);
  TORCH_CHECK(tensor.is_cpu(), "a hook on a tensor of ", tensor.device(),
              " would run outside JavaScript's thread; hooks work on CPU tensors");
  TORCH_CHECK(tensor.requires_grad(), "a hook needs a tensor that requires a gradient");
  napi_ref reference;
  napi_create_reference(env, args.values[1], 1, &reference);
  auto function = std::make_shared<HookFunction>(reference);
  const auto thread = std::this_thread::get_id();
  const unsigned position = tensor.register_hook([env, function, thread](const at::Tensor& gradient) -> at::Tensor {
    TORCH_CHECK(std::this_thread::get_id() == thread, "a hook was called outside JavaScript's thread");
    napi_handle_scope scope;
    napi_open_handle_scope(env, &scope);
    napi_value callback;
    napi_get_reference_value(env, function->reference, &callback);
    napi_value undefined;
    napi_get_undefined(env, &undefined);
    napi_value argument = make_number(env, handle_of(gradient));
    napi_value result = nullptr;
    double handle = 0;
    const bool thrown = napi_call_function(env, undefined, callback, 1, &argument, &result) != napi_ok;
    if (!thrown) napi_get_value_double(env, result, &handle);
    napi_close_handle_scope(env, scope);
    TORCH_CHECK(!thrown, "a tensor hook threw");
    return handle == 0 ? at::Tensor() : tensor_at(static_cast<Handle>(handle));
  });
  return make_number(env, position);
}

napi_value remove_hook(napi_env env, napi_callback_info info) {
  Args<2> args(env, info);
  const auto handle = static_cast<Handle>(args.number(0));
  if (Slot* slot = engine().slots.find(handle)) slot->tensor.remove_hook(static_cast<unsigned>(args.integer(1)));
  release_dropped(env);
  return nullptr;
}

}  // namespace

void clear_hooks() {
  inference_guards().clear();
  dropped_references().clear();
}

void define_autograd(napi_env env, napi_value exports) {
  define(env, exports, "setRequiresGrad", guarded<set_requires_grad>);
  define(env, exports, "gradOf", guarded<grad_of>);
  define(env, exports, "setGrad", guarded<set_grad>);
  define(env, exports, "retainGrad", guarded<retain_grad>);
  define(env, exports, "grads", guarded<grads>);
  define(env, exports, "clearGrads", guarded<clear_grads>);
  define(env, exports, "backward", guarded<backward>);
  define(env, exports, "grad", guarded<grad>);
  define(env, exports, "setGradEnabled", guarded<set_grad_enabled>);
  define(env, exports, "gradEnabled", guarded<grad_enabled>);
  define(env, exports, "enterInference", guarded<enter_inference>);
  define(env, exports, "exitInference", guarded<exit_inference>);
  define(env, exports, "setAutocast", guarded<set_autocast>);
  define(env, exports, "registerHook", guarded<register_hook>);
  define(env, exports, "removeHook", guarded<remove_hook>);
}

}  // namespace retort
