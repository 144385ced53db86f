// Random numbers: the global seed and generators of one's own.
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>

#include "engine.h"
#include "napi.h"

namespace retort {
namespace {

// 64-bit seeds arrive as a BigInt.
uint64_t seed_argument(napi_env env, napi_value value) {
  uint64_t seed = 0;
  bool lossless = false;
  TORCH_CHECK(napi_get_value_bigint_uint64(env, value, &seed, &lossless) == napi_ok, "a BigInt was expected");
  return seed;
}

napi_value manual_seed(napi_env env, napi_callback_info info) {
  at::manual_seed(seed_argument(env, Args<1>(env, info).values[0]));
  return nullptr;
}

napi_value create_generator(napi_env env, napi_callback_info info) {
  auto& generators = engine().generators;
  generators.push_back(at::detail::createCPUGenerator(seed_argument(env, Args<1>(env, info).values[0])));
  return make_number(env, static_cast<double>(generators.size() - 1));
}

// A generator by its number; -1 is the global one.
at::Generator generator_at(int64_t index) {
  return index < 0 ? at::detail::getDefaultCPUGenerator() : engine().generators.at(static_cast<size_t>(index));
}

napi_value seed_generator(napi_env env, napi_callback_info info) {
  Args<2> args(env, info);
  at::Generator generator = generator_at(args.integer(0));
  std::lock_guard<std::mutex> guard(generator.mutex());
  generator.set_current_seed(seed_argument(env, args.values[1]));
  return nullptr;
}

napi_value generator_state(napi_env env, napi_callback_info info) {
  at::Generator generator = generator_at(Args<1>(env, info).integer(0));
  std::lock_guard<std::mutex> guard(generator.mutex());
  return make_number(env, handle_of(generator.get_state()));
}

napi_value set_generator_state(napi_env env, napi_callback_info info) {
  Args<2> args(env, info);
  at::Generator generator = generator_at(args.integer(0));
  std::lock_guard<std::mutex> guard(generator.mutex());
  generator.set_state(tensor_at(static_cast<Handle>(args.number(1))));
  return nullptr;
}

}  // namespace

void define_random(napi_env env, napi_value exports) {
  define(env, exports, "manualSeed", guarded<manual_seed>);
  define(env, exports, "createGenerator", guarded<create_generator>);
  define(env, exports, "seedGenerator", guarded<seed_generator>);
  define(env, exports, "generatorState", guarded<generator_state>);
  define(env, exports, "setGeneratorState", guarded<set_generator_state>);
}

}  // namespace retort
