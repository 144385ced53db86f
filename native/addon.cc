// The addon's entry: one environment at a time, its tape, scopes, threads and facts about libtorch.
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <c10/util/Logging.h>
#include <torch/version.h>

#include <atomic>
#include <sstream>

#include "allocator.h"
#include "engine.h"
#include "napi.h"

namespace retort {

Engine& engine() {
  static auto* instance = new Engine();  // never destroyed, see allocator.cc
  return *instance;
}

const at::Tensor& tensor_at(Handle handle) {
  Slot* slot = engine().slots.find(handle);
  TORCH_CHECK(slot != nullptr, "this tensor was freed: it was disposed, or the scope that made it has ended");
  return slot->tensor;
}

std::vector<at::Tensor> read_tensors(size_t& at) {
  const Tape& tape = engine().tape;
  std::vector<at::Tensor> out(static_cast<size_t>(tape.integer(at++)));
  for (at::Tensor& tensor : out) {
    const Handle handle = tape.handle(at++);
    if (handle != 0) tensor = tensor_at(handle);
  }
  return out;
}

double handle_of(at::Tensor tensor, int32_t origin) {
  return tensor.defined() ? static_cast<double>(engine().slots.insert(std::move(tensor), origin)) : 0;
}

void define(napi_env env, napi_value exports, const char* name, napi_callback function) {
  napi_value value;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, function, nullptr, &value);
  napi_set_named_property(env, exports, name, value);
}

namespace {

std::atomic<bool> claimed{false};

napi_value set_tape(napi_env env, napi_callback_info info) {
  Args<1> args(env, info);
  Tape& tape = engine().tape;
  void* data = nullptr;
  size_t bytes = 0;
  TORCH_CHECK(napi_get_arraybuffer_info(env, args.values[0], &data, &bytes) == napi_ok, "an ArrayBuffer was expected");
  if (tape.buffer != nullptr) napi_delete_reference(env, tape.buffer);
  napi_create_reference(env, args.values[0], 1, &tape.buffer);
  tape.data = static_cast<double*>(data);
  tape.length = bytes / sizeof(double);
  return nullptr;
}

napi_value intern(napi_env env, napi_callback_info info) {
  auto& strings = engine().strings;
  strings.push_back(Args<1>(env, info).string(0));
  return make_number(env, static_cast<double>(strings.size() - 1));
}

napi_value enter_scope(napi_env, napi_callback_info) {
  engine().slots.enter();
  return nullptr;
}

napi_value exit_scope(napi_env, napi_callback_info) {
  engine().slots.exit();
  return nullptr;
}

napi_value escape(napi_env env, napi_callback_info info) {
  return make_boolean(env, engine().slots.escape(static_cast<Handle>(Args<1>(env, info).number(0))));
}

napi_value move_to(napi_env env, napi_callback_info info) {
  Args<2> args(env, info);
  return make_boolean(env, engine().slots.move_to(static_cast<Handle>(args.number(0)), static_cast<ScopeId>(args.number(1))));
}

napi_value current_scope(napi_env env, napi_callback_info) {
  return make_number(env, static_cast<double>(engine().slots.current()));
}

napi_value open_async_scope(napi_env env, napi_callback_info) {
  return make_number(env, static_cast<double>(engine().slots.open_async()));
}

napi_value select_async_scope(napi_env env, napi_callback_info info) {
  engine().slots.select_async(static_cast<ScopeId>(Args<1>(env, info).number(0)));
  return nullptr;
}

napi_value close_async_scope(napi_env env, napi_callback_info info) {
  engine().slots.close_async(static_cast<ScopeId>(Args<1>(env, info).number(0)));
  return nullptr;
}

napi_value set_threads(napi_env env, napi_callback_info info) {
  at::set_num_threads(static_cast<int>(Args<1>(env, info).integer(0)));
  return nullptr;
}

napi_value get_info(napi_env env, napi_callback_info) {
  napi_value out = make_object(env);
  set(env, out, "version", make_string(env, TORCH_VERSION));
  set(env, out, "cuda", make_boolean(env, at::hasCUDA()));
  set(env, out, "threads", make_number(env, at::get_num_threads()));
  set(env, out, "processes", make_boolean(env, can_join_group()));
  return out;
}

napi_value memory(napi_env env, napi_callback_info) {
  const AllocatorStats stats = allocator_stats();
  napi_value out = make_object(env);
  set(env, out, "tensors", make_number(env, static_cast<double>(engine().slots.live())));
  set(env, out, "bytes", make_number(env, static_cast<double>(stats.allocated)));
  set(env, out, "peakBytes", make_number(env, static_cast<double>(stats.peak)));
  set(env, out, "cachedBytes", make_number(env, static_cast<double>(stats.cached)));
  return out;
}

napi_value reset_peak_memory(napi_env, napi_callback_info) {
  reset_peak();
  return nullptr;
}

napi_value empty_memory_cache(napi_env, napi_callback_info) {
  empty_cache();
  return nullptr;
}

// Every live tensor: its handle, dtype, shape and the operator that made it. All in one go: a collection in between might free.
napi_value live_tensors(napi_env env, napi_callback_info) {
  napi_value out = make_array(env);
  uint32_t count = 0;
  const auto& slots = engine().slots.slots();
  for (size_t i = 0; i < slots.size(); ++i) {
    if (!slots[i].live) continue;
    napi_value entry = make_object(env);
    set(env, entry, "handle",
        make_number(env, static_cast<double>((static_cast<uint64_t>(slots[i].generation) << kSlotBits) | i)));
    set(env, entry, "origin", make_string(env, operator_name(slots[i].origin)));
    set(env, entry, "dtype", make_number(env, static_cast<double>(slots[i].tensor.scalar_type())));
    std::ostringstream shape;
    shape << slots[i].tensor.sizes();
    set(env, entry, "shape", make_string(env, shape.str()));
    napi_set_element(env, out, count++, entry);
  }
  return out;
}

void release_environment(void*) {
  Engine& state = engine();
  clear_hooks();
  clear_distributed();
  clear_dispatch();
  state.slots.clear();
  state.strings.clear();
  state.generators.clear();
  state.tape = Tape();
  state.env = nullptr;
  claimed = false;
}

napi_value init(napi_env env, napi_value exports) {
  if (claimed.exchange(true)) {
    napi_throw_error(env, "RETORT_THREAD",
                     "the engine is already loaded in another thread of this process, and libtorch may compute in one only\n"
                     "  help: use one thread for all tensor work, or separate processes (child_process.fork)");
    return nullptr;
  }
  const std::string error = message_of([&] {
    static const bool once = (install_allocator(), true);
    (void)once;
    // Every error would look up the names of all functions on its way, which takes a millisecond and is never shown.
    c10::SetStackTraceFetcher([] { return std::string(); });
    engine().env = env;
    napi_add_env_cleanup_hook(env, release_environment, nullptr);
    define(env, exports, "setTape", guarded<set_tape>);
    define(env, exports, "intern", guarded<intern>);
    define(env, exports, "enterScope", guarded<enter_scope>);
    define(env, exports, "exitScope", guarded<exit_scope>);
    define(env, exports, "escape", guarded<escape>);
    define(env, exports, "moveTo", guarded<move_to>);
    define(env, exports, "currentScope", guarded<current_scope>);
    define(env, exports, "openAsyncScope", guarded<open_async_scope>);
    define(env, exports, "selectAsyncScope", guarded<select_async_scope>);
    define(env, exports, "closeAsyncScope", guarded<close_async_scope>);
    define(env, exports, "setThreads", guarded<set_threads>);
    define(env, exports, "info", guarded<get_info>);
    define(env, exports, "memory", guarded<memory>);
    define(env, exports, "resetPeakMemory", guarded<reset_peak_memory>);
    define(env, exports, "emptyCache", guarded<empty_memory_cache>);
    define(env, exports, "liveTensors", guarded<live_tensors>);
    define_dispatch(env, exports);
    define_tensors(env, exports);
    define_autograd(env, exports);
    define_random(env, exports);
    define_distributed(env, exports);
  });
  if (!error.empty()) napi_throw_error(env, "RETORT_ENGINE", error.c_str());
  return exports;
}

}  // namespace
}  // namespace retort

NAPI_MODULE_INIT() { return retort::init(env, exports); }
