// Several processes that compute together: a process group over TCP (c10d's Gloo), and its collective operations on the tensors
// that stand on the tape. All processes of a group must call the same operations in the same order.
#include "engine.h"
#include "napi.h"

#if defined(RETORT_GLOO)
#define USE_C10D_GLOO
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <chrono>
#include <cstdlib>
#include <memory>
#include <vector>
#endif

namespace retort {
namespace {

#if defined(RETORT_GLOO)

using Gloo = c10d::ProcessGroupGloo;

c10::intrusive_ptr<Gloo>& group() {
  static auto* instance = new c10::intrusive_ptr<Gloo>();
  return *instance;
}

Gloo& joined() {
  TORCH_CHECK(group(), "this process has joined no group");
  return *group();
}

// The network interface that other processes reach: the loopback one where they all run on this machine.
std::shared_ptr<::gloo::transport::Device> device_for(const std::string& address) {
  if (address == "127.0.0.1" || address == "localhost") return Gloo::createDeviceForHostname("127.0.0.1");
  const char* interface = std::getenv("GLOO_SOCKET_IFNAME");
  if (interface != nullptr && *interface != '\0') return Gloo::createDeviceForInterface(interface);
  return Gloo::createDefaultDevice();
}

// joinGroup(address, port, rank, worldSize, timeoutMs): waits until all are there.
napi_value join_group(napi_env env, napi_callback_info info) {
  Args<5> args(env, info);
  const std::string address = args.string(0);
  const auto rank = static_cast<int>(args.integer(2));
  const auto size = static_cast<int>(args.integer(3));
  const std::chrono::milliseconds timeout(args.integer(4));
  c10d::TCPStoreOptions store_options;
  store_options.port = static_cast<uint16_t>(args.integer(1));
  store_options.isServer = rank == 0;
  store_options.numWorkers = size;
  store_options.timeout = timeout;
  auto store = c10::make_intrusive<c10d::TCPStore>(address, store_options);
  store->setTimeout(timeout);
  auto options = Gloo::Options::create(timeout);
  options->devices.push_back(device_for(address));
  options->threads = 1;
  group() = c10::make_intrusive<Gloo>(store, rank, size, options);
  return nullptr;
}

napi_value leave_group(napi_env, napi_callback_info) {
  group().reset();
  return nullptr;
}

std::vector<at::Tensor> listed_tensors() {
  size_t at = 0;
  return read_tensors(at);
}

c10d::ReduceOp::RedOpType reduction(const std::string& name) {
  if (name == "sum") return c10d::ReduceOp::SUM;
  if (name == "min") return c10d::ReduceOp::MIN;
  if (name == "max") return c10d::ReduceOp::MAX;
  TORCH_CHECK(false, "there is no reduction ", name);
}

// allReduce(reduction), tape: one tensor, changed in place.
napi_value all_reduce(napi_env env, napi_callback_info info) {
  c10d::AllreduceOptions options;
  options.reduceOp = reduction(Args<1>(env, info).string(0));
  std::vector<at::Tensor> tensors = listed_tensors();
  joined().allreduce(tensors, options)->wait();
  return nullptr;
}

// broadcast(root), tape: one tensor, changed in place everywhere but at the root.
napi_value broadcast(napi_env env, napi_callback_info info) {
  c10d::BroadcastOptions options;
  options.rootRank = static_cast<int>(Args<1>(env, info).integer(0));
  std::vector<at::Tensor> tensors = listed_tensors();
  joined().broadcast(tensors, options)->wait();
  return nullptr;
}

// allGather(), tape: a tensor that is sent, then one for each process that is filled; all of one shape.
napi_value all_gather(napi_env, napi_callback_info) {
  const std::vector<at::Tensor> tensors = listed_tensors();
  std::vector<at::Tensor> inputs(tensors.begin(), tensors.begin() + 1);
  std::vector<std::vector<at::Tensor>> outputs{{tensors.begin() + 1, tensors.end()}};
  joined().allgather(outputs, inputs)->wait();
  return nullptr;
}

#endif

}  // namespace

void define_distributed([[maybe_unused]] napi_env env, [[maybe_unused]] napi_value exports) {
#if defined(RETORT_GLOO)
  define(env, exports, "joinGroup", guarded<join_group>);
  define(env, exports, "leaveGroup", guarded<leave_group>);
  define(env, exports, "allReduce", guarded<all_reduce>);
  define(env, exports, "broadcast", guarded<broadcast>);
  define(env, exports, "allGather", guarded<all_gather>);
#endif
}

bool can_join_group() {
#if defined(RETORT_GLOO)
  return true;
#else
  return false;
#endif
}

void clear_distributed() {
#if defined(RETORT_GLOO)
  group().reset();
#endif
}

}  // namespace retort
