// Random numbers: the global seed and generators of one's own.
#include "random.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>

namespace retort {
namespace {

// What V8 is told of a generator: a Mersenne twister has 624 words of state.
constexpr int64_t kGeneratorBytes = 2560;

std::mutex& stream_mutex() {
  static std::mutex mutex;
  return mutex;
}

at::Tensor state_of(at::Generator generator) {
  std::lock_guard<std::mutex> guard(generator.mutex());
  return generator.get_state();
}

void set_state(at::Generator generator, const at::Tensor& state) {
  std::lock_guard<std::mutex> guard(generator.mutex());
  generator.set_state(state);
}

// 64-bit seeds arrive as a BigInt.
void manual_seed(const Args<1>& args) {
  const uint64_t seed = args.js.to_uint64(args.values[0]);
  RandomStream stream(args.engine);
  at::manual_seed(seed);
}

size_t create_generator(const Args<1>& args) {
  at::Generator made = at::detail::createCPUGenerator(args.js.to_uint64(args.values[0]));
  Generators& generators = args.engine.generators;
  if (generators.free.empty()) {
    generators.list.push_back(std::move(made));
    return generators.list.size() - 1;
  }
  const size_t index = generators.free.back();
  generators.free.pop_back();
  generators.list[index] = std::move(made);
  return index;
}

void finalize_generator(node_api_basic_env env, void* data, void* hint) {
  adjust_external_memory(env, -kGeneratorBytes);
  Generators& generators = static_cast<Engine*>(hint)->generators;
  const auto index = static_cast<size_t>(reinterpret_cast<uintptr_t>(data));
  if (index >= generators.list.size()) return;  // the environment has ended
  generators.list[index] = at::Generator();
  generators.free.push_back(index);
}

// An object whose collection frees the generator.
napi_value box_generator(const Args<1>& args) {
  const auto index = static_cast<uintptr_t>(args.integer(0));
  const napi_value box = args.js.external(reinterpret_cast<void*>(index), finalize_generator, &args.engine);
  adjust_external_memory(args.js.env(), kGeneratorBytes);
  return box;
}

// A generator by its number.
at::Generator generator_at(Engine& engine, int64_t index) {
  return engine.generators.list.at(static_cast<size_t>(index));
}

void seed_generator(const Args<2>& args) {
  at::Generator generator = generator_at(args.engine, args.integer(0));
  std::lock_guard<std::mutex> guard(generator.mutex());
  generator.set_current_seed(args.js.to_uint64(args.values[1]));
}

// -1 is the global generator.
Handle generator_state(const Args<1>& args) {
  const int64_t index = args.integer(0);
  if (index >= 0) return args.engine.handle_of(state_of(generator_at(args.engine, index)));
  RandomStream stream(args.engine);
  return args.engine.handle_of(state_of(at::detail::getDefaultCPUGenerator()));
}

void set_generator_state(const Args<2>& args) {
  const int64_t index = args.integer(0);
  const at::Tensor state = args.tensor(1);
  if (index >= 0) return set_state(generator_at(args.engine, index), state);
  RandomStream stream(args.engine);
  set_state(at::detail::getDefaultCPUGenerator(), state);
}

// The default generator of a CUDA device, which all threads of the process share.
at::Generator cuda_generator(int64_t index) {
  TORCH_CHECK(at::hasCUDA() && index >= 0 && index < static_cast<int64_t>(at::getNumGPUs()), "there is no device cuda:",
              index);
  return at::globalContext().defaultGenerator(at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(index)));
}

// cudaRandomState(device): uint8, on the CPU.
Handle cuda_random_state(const Args<1>& args) {
  return args.engine.handle_of(state_of(cuda_generator(args.integer(0))));
}

void set_cuda_random_state(const Args<2>& args) {
  const at::Tensor state = args.tensor(1);
  set_state(cuda_generator(args.integer(0)), state);
}

}  // namespace

RandomStream::RandomStream(Engine& engine) : lock_(stream_mutex()) {
  Engine*& owner = process().random;
  if (owner == &engine) return;
  const at::Generator& generator = at::detail::getDefaultCPUGenerator();
  // The first environment takes the generator as it is; a later one begins with a seed of its own, as libtorch does.
  const bool first = owner == nullptr && !engine.random_state.defined();
  if (owner != nullptr) owner->random_state = state_of(generator);
  if (engine.random_state.defined()) {
    set_state(generator, engine.random_state);
  } else if (!first) {
    at::Generator(generator).seed();
  }
  owner = &engine;
}

void leave_random(Engine& engine) {
  std::lock_guard<std::mutex> guard(stream_mutex());
  if (process().random == &engine) process().random = nullptr;
  engine.random_state.reset();
}

void define_random(Exports& exports) {
  exports.add<manual_seed>("manualSeed");
  exports.add<create_generator>("createGenerator");
  exports.add<box_generator>("boxGenerator");
  exports.add<seed_generator>("seedGenerator");
  exports.add<generator_state>("generatorState");
  exports.add<set_generator_state>("setGeneratorState");
  exports.add<cuda_random_state>("cudaRandomState");
  exports.add<set_cuda_random_state>("setCudaRandomState");
}

}  // namespace retort
