// The addon's entry: environments come and go, each with its call buffer and scopes; threads and facts about libtorch.
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <c10/util/Logging.h>
#include <torch/version.h>

#include <sstream>

#include "allocator.h"
#include "engine.h"
#include "random.h"

namespace retort {

Process& process() {
  static auto* instance = new Process();  // never destroyed, see allocator.cc
  return *instance;
}

const at::Tensor& Engine::tensor(Handle handle) {
  Slot* slot = slots.find(handle);
  TORCH_CHECK(slot != nullptr, "this tensor was freed: it was disposed, or the scope that made it has ended");
  return slot->tensor;
}

std::vector<at::Tensor> Engine::read_tensors(Cursor& in) {
  std::vector<at::Tensor> out(in.count());
  for (at::Tensor& one : out) {
    const Handle handle = in.handle();
    if (handle != 0) one = tensor(handle);
  }
  return out;
}

Handle Engine::handle_of(at::Tensor tensor, int32_t origin) {
  return tensor.defined() ? slots.insert(std::move(tensor), origin) : 0;
}

void Engine::release() {
  hooks.release();
  inference.clear();
  leave_group(*this);
  leave_random(*this);
  operators.list.clear();
  operators.stacks.clear();
  slots.clear();
  strings.clear();
  generators = Generators();
  call_buffer.release();
}

namespace {

napi_value get_call_buffer(const Args<0>& args) { return args.engine.call_buffer.holder(); }

void reserve_call_buffer(const Args<1>& args) {
  const int64_t length = args.integer(0);
  TORCH_CHECK(length >= 0 && length <= int64_t{1} << 40, "the call buffer cannot have ", length, " places");
  args.engine.call_buffer.reserve(static_cast<size_t>(length));
}

size_t intern(const Args<1>& args) {
  auto& strings = args.engine.strings;
  strings.push_back(args.string(0));
  return strings.size() - 1;
}

void enter_scope(const Args<0>& args) { args.engine.slots.enter(); }
void exit_scope(const Args<0>& args) { args.engine.slots.exit(); }
bool escape(const Args<1>& args) { return args.engine.slots.escape(args.handle(0)); }
bool move_to(const Args<2>& args) { return args.engine.slots.move_to(args.handle(0), args.handle(1)); }
ScopeId current_scope(const Args<0>& args) { return args.engine.slots.current(); }
ScopeId open_async_scope(const Args<0>& args) { return args.engine.slots.open_async(); }
void select_async_scope(const Args<1>& args) { args.engine.slots.select_async(args.handle(0)); }
void close_async_scope(const Args<1>& args) { args.engine.slots.close_async(args.handle(0)); }

// All threads of a process compute with the same number of threads: OpenBLAS keeps one set of buffers for all, and takes those
// of a call that runs when another one comes with fewer.
void set_threads(const Args<1>& args) {
  const int64_t count = args.integer(0);
  TORCH_CHECK(count >= 1 && count <= 4096, "1 to 4096 threads were expected, got ", count);
  Process& shared = process();
  std::lock_guard<std::mutex> guard(shared.mutex);
  if (shared.threads == count) return;
  TORCH_CHECK(shared.environments == 1, "another thread of this process uses the engine with ", shared.threads,
              " threads for an operator, and all must use the same number: set it before the others load the engine, "
              "or for all with RETORT_THREADS");
  at::set_num_threads(static_cast<int>(count));
  shared.threads = count;
}

// The number of threads an environment begins with: what it wants, unless others have begun before it.
void begin_threads(const Args<1>& args) {
  const int64_t wanted = args.integer(0);
  Process& shared = process();
  std::lock_guard<std::mutex> guard(shared.mutex);
  if (shared.threads != 0) return at::init_num_threads();
  at::set_num_threads(static_cast<int>(wanted));
  shared.threads = wanted;
}

int environments() {
  std::lock_guard<std::mutex> guard(process().mutex);
  return process().environments;
}

napi_value get_info(const Args<0>& args) {
  const Js js = args.js;
  const napi_value out = js.object();
  js.set(out, "version", js.string(TORCH_VERSION));
  js.set(out, "cuda", js.boolean(at::hasCUDA()));
  js.set(out, "cudaBuilt", js.boolean(at::Context::hasCUDART()));
  js.set(out, "cudaDevices", js.number(at::hasCUDA() ? static_cast<double>(at::getNumGPUs()) : 0));
  js.set(out, "threads", js.number(at::get_num_threads()));
  js.set(out, "environments", js.number(environments()));
  js.set(out, "processes", js.boolean(can_join_group()));
  js.set(out, "nccl", js.boolean(has_nccl()));
  return out;
}

napi_value memory(const Args<0>& args) {
  const Js js = args.js;
  const AllocatorStats stats = allocator_stats();
  const napi_value out = js.object();
  js.set(out, "tensors", js.number(static_cast<double>(args.engine.slots.live())));
  js.set(out, "bytes", js.number(static_cast<double>(stats.allocated)));
  js.set(out, "peakBytes", js.number(static_cast<double>(stats.peak)));
  js.set(out, "cachedBytes", js.number(static_cast<double>(stats.cached)));
  return out;
}

void reset_peak_memory(const Args<0>&) { reset_peak(); }
void empty_memory_cache(const Args<0>&) { empty_cache(); }

// Every live tensor: its handle, dtype, shape and the operator that made it. All are looked at before the first JavaScript value
// is made, which may run a collection that frees some of them.
napi_value live_tensors(const Args<0>& args) {
  struct Live {
    Handle handle;
    int32_t origin;
    at::ScalarType dtype;
    std::string shape;
  };
  std::vector<Live> found;
  const auto& slots = args.engine.slots.slots();
  for (size_t i = 0; i < slots.size(); ++i) {
    const Slot& slot = slots[i];
    if (!slot.live) continue;
    std::ostringstream shape;
    shape << slot.tensor.sizes();
    found.push_back({(static_cast<uint64_t>(slot.generation) << kSlotBits) | i, slot.origin, slot.tensor.scalar_type(),
                     shape.str()});
  }
  const Js js = args.js;
  const napi_value out = js.array();
  uint32_t count = 0;
  for (const Live& live : found) {
    const HandleScope scope(js);
    const napi_value entry = js.object();
    js.set(entry, "handle", js.number(static_cast<double>(live.handle)));
    js.set(entry, "origin", js.string(args.engine.operators.name(live.origin)));
    js.set(entry, "dtype", js.number(static_cast<double>(live.dtype)));
    js.set(entry, "shape", js.string(live.shape));
    js.set(out, count++, entry);
  }
  return out;
}

void enter_process() {
  std::lock_guard<std::mutex> guard(process().mutex);
  static const bool once = [] {
    install_allocator();
    // Every error would look up the names of all functions on its way, which takes a millisecond and is never shown.
    c10::SetStackTraceFetcher([] { return std::string(); });
    return true;
  }();
  (void)once;
  ++process().environments;
}

void release_environment(void* data) {
  // Nothing may be thrown out of here.
  (void)message_of([&] { static_cast<Engine*>(data)->release(); });
  std::lock_guard<std::mutex> guard(process().mutex);
  if (--process().environments == 0) process().threads = 0;
}

void destroy_environment(napi_env, void* data, void*) { delete static_cast<Engine*>(data); }

napi_value init(napi_env env, napi_value object) {
  const Js js(env);
  const std::string error = message_of([&] {
    auto owned = std::make_unique<Engine>(js);
    Engine& engine = *owned;
    enter_process();
    js.on_end(owned.release(), release_environment, destroy_environment);
    Exports exports(engine, object);
    engine.call_buffer.attach();
    exports.add<get_call_buffer>("callBuffer");
    exports.add<reserve_call_buffer>("reserveCallBuffer");
    exports.add<intern>("intern");
    exports.add<enter_scope>("enterScope");
    exports.add<exit_scope>("exitScope");
    exports.add<escape>("escape");
    exports.add<move_to>("moveTo");
    exports.add<current_scope>("currentScope");
    exports.add<open_async_scope>("openAsyncScope");
    exports.add<select_async_scope>("selectAsyncScope");
    exports.add<close_async_scope>("closeAsyncScope");
    exports.add<begin_threads>("beginThreads");
    exports.add<set_threads>("setThreads");
    exports.add<get_info>("info");
    exports.add<memory>("memory");
    exports.add<reset_peak_memory>("resetPeakMemory");
    exports.add<empty_memory_cache>("emptyCache");
    exports.add<live_tensors>("liveTensors");
    define_dispatch(exports);
    define_tensors(exports);
    define_autograd(exports);
    define_random(exports);
    define_distributed(exports);
  });
  if (!error.empty()) js.raise("RETORT_ENGINE", error);
  return object;
}

}  // namespace
}  // namespace retort

NAPI_MODULE_INIT() { return retort::init(env, exports); }
