// Autograd: backward, grad, gradient modes, autocast, and JavaScript hooks on tensors.
#include <ATen/autocast_mode.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/variable.h>

#include "compat.h"
#include "engine.h"

namespace retort {
namespace {

using torch::autograd::variable_list;

void set_requires_grad(const Args<2>& args) { args.tensor(0).set_requires_grad(args.boolean(1)); }

Handle grad_of(const Args<1>& args) { return args.engine.handle_of(args.tensor(0).grad()); }

void set_grad(const Args<2>& args) {
  const Handle handle = args.handle(1);
  const at::Tensor gradient = handle == 0 ? at::Tensor() : args.engine.tensor(handle);
  args.tensor(0).mutable_grad() = gradient;
}

void retain_grad(const Args<1>& args) { args.tensor(0).retain_grad(); }

// Leaves a count and a handle for each tensor (0: undefined) in the call buffer.
void write_tensors(Engine& engine, const variable_list& tensors) {
  engine.call_buffer.reserve(1 + tensors.size());
  Cursor out(engine.call_buffer);
  out.put(static_cast<double>(tensors.size()));
  for (const at::Tensor& tensor : tensors) out.put(static_cast<double>(engine.handle_of(tensor)));
}

// Of each tensor in the list in the call buffer, the gradient: handles in its place (0: none).
void grads(const Args<0>& args) {
  Cursor in(args.engine.call_buffer);
  variable_list tensors = args.engine.read_tensors(in);
  for (at::Tensor& tensor : tensors) tensor = at::Tensor(tensor.grad());
  write_tensors(args.engine, tensors);
}

// Sets the gradient of each tensor in the list in the call buffer to none.
void clear_grads(const Args<0>& args) {
  Cursor in(args.engine.call_buffer);
  for (const at::Tensor& tensor : args.engine.read_tensors(in)) tensor.mutable_grad().reset();
}

// backward(retainGraph, createGraph), call buffer: roots, their gradients, the leaves to reach (none: all).
void backward(const Args<2>& args) {
  Cursor in(args.engine.call_buffer);
  const variable_list roots = args.engine.read_tensors(in);
  const variable_list gradients = args.engine.read_tensors(in);
  const variable_list inputs = args.engine.read_tensors(in);
  const bool retain_graph = args.boolean(0);
  const bool create_graph = args.boolean(1);
  args.engine.hooks.differentiate(
      [&] { torch::autograd::backward(roots, gradients, retain_graph, create_graph, inputs); });
}

// grad(retainGraph, createGraph, allowUnused), call buffer as for backward; leaves a count and the handles in the call buffer.
void grad(const Args<3>& args) {
  Cursor in(args.engine.call_buffer);
  const variable_list outputs = args.engine.read_tensors(in);
  const variable_list gradients = args.engine.read_tensors(in);
  const variable_list inputs = args.engine.read_tensors(in);
  const bool retain_graph = args.boolean(0);
  const bool create_graph = args.boolean(1);
  const bool allow_unused = args.boolean(2);
  variable_list found;
  args.engine.hooks.differentiate(
      [&] { found = torch::autograd::grad(outputs, inputs, gradients, retain_graph, create_graph, allow_unused); });
  write_tensors(args.engine, found);
}

bool set_grad_enabled(const Args<1>& args) {
  const bool before = c10::GradMode::is_enabled();
  c10::GradMode::set_enabled(args.boolean(0));
  return before;
}

bool grad_enabled(const Args<0>&) { return c10::GradMode::is_enabled(); }

void enter_inference(const Args<0>& args) {
  args.engine.inference.push_back(std::make_unique<c10::InferenceMode>(true));
}

void exit_inference(const Args<0>& args) {
  if (!args.engine.inference.empty()) args.engine.inference.pop_back();
}

// setAutocast(state, cuda): autocast of one kind of device, the CPU or CUDA, in the dtype of that number, or off where it is -1. All
// of it or, where libtorch does not compute in that dtype, nothing. Returns the state before. A change drops the cached casts.
int64_t set_autocast(const Args<2>& args) {
  const int64_t wanted = args.integer(0);
  const bool cuda = args.boolean(1);
  const bool enabled = wanted >= 0;
  const auto dtype = static_cast<at::ScalarType>(wanted);
  const bool half = dtype == at::kHalf && (cuda || RETORT_AUTOCAST_BY_DEVICE);
  TORCH_CHECK(!enabled || dtype == at::kBFloat16 || half, "autocast: dtype: ",
              cuda || RETORT_AUTOCAST_BY_DEVICE ? "bfloat16 or float16 was expected, got "
                                                : "on a CPU it computes in bfloat16, got ",
              dtype);
  int64_t before = -1;
#if RETORT_AUTOCAST_BY_DEVICE
  const at::DeviceType type = cuda ? at::kCUDA : at::kCPU;
  if (at::autocast::is_autocast_enabled(type)) before = static_cast<int64_t>(at::autocast::get_autocast_dtype(type));
  if (enabled) at::autocast::set_autocast_dtype(type, dtype);
  at::autocast::set_autocast_enabled(type, enabled);
#else
  if (cuda) {
    if (at::autocast::is_enabled()) before = static_cast<int64_t>(at::autocast::get_autocast_gpu_dtype());
    if (enabled) at::autocast::set_autocast_gpu_dtype(dtype);
    at::autocast::set_enabled(enabled);
  } else {
    if (at::autocast::is_cpu_enabled()) before = static_cast<int64_t>(at::autocast::get_autocast_cpu_dtype());
    if (enabled) at::autocast::set_autocast_cpu_dtype(dtype);
    at::autocast::set_cpu_enabled(enabled);
  }
#endif
  if (wanted != before) at::autocast::clear_cache();
  return before;
}

// registerHook(handle, (gradient handle) => handle or 0) -> the hook's number.
int64_t register_hook(const Args<2>& args) {
  return args.engine.hooks.add(args.engine, args.handle(0), args.values[1]);
}

// removeHook(handle, number of the hook); the tensor may be gone.
void remove_hook(const Args<2>& args) { args.engine.hooks.remove(args.engine, args.integer(1)); }

// handOverHooks(always): for tests of what happens where hooks are called on other threads.
void hand_over_hooks(const Args<1>& args) { args.engine.hooks.always_hand_over(args.boolean(0)); }

}  // namespace

void define_autograd(Exports& exports) {
  exports.add<set_requires_grad>("setRequiresGrad");
  exports.add<grad_of>("gradOf");
  exports.add<set_grad>("setGrad");
  exports.add<retain_grad>("retainGrad");
  exports.add<grads>("grads");
  exports.add<clear_grads>("clearGrads");
  exports.add<backward>("backward");
  exports.add<grad>("grad");
  exports.add<set_grad_enabled>("setGradEnabled");
  exports.add<grad_enabled>("gradEnabled");
  exports.add<enter_inference>("enterInference");
  exports.add<exit_inference>("exitInference");
  exports.add<set_autocast>("setAutocast");
  exports.add<register_hook>("registerHook");
  exports.add<remove_hook>("removeHook");
  exports.add<hand_over_hooks>("handOverHooks");
}

}  // namespace retort
