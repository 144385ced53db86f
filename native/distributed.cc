// Several processes that compute together: a process group over TCP (c10d's Gloo), and its collective operations on the tensors
// that stand on the tape. All processes of a group must call the same operations in the same order.
#include "engine.h"
#include "napi.h"

#if defined(RETORT_GLOO)
#define USE_C10D_GLOO
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
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

// While a process waits for the others inside Gloo, its JavaScript does not run: neither handlers of signals nor timers. So the
// wait goes in slices, between which we look around, and signals are counted by a handler that stands before Node's own.
namespace watch {

using Clock = std::chrono::steady_clock;

std::atomic<bool> waiting{false};
std::atomic<int> signals{0};  // since the group was joined
struct sigaction before[NSIG];
constexpr int kWatched[] = {SIGINT, SIGTERM};

void on_signal(int number, siginfo_t* info, void* context) {
  if (signals.fetch_add(1) > 0 && waiting.load()) {
    constexpr char text[] = "\nended while it waited for another process\n";
    [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);
    _exit(128 + number);
  }
  const struct sigaction& next = before[number];
  if ((next.sa_flags & SA_SIGINFO) != 0) next.sa_sigaction(number, info, context);
  else next.sa_handler(number);
}

// Stands before whatever handles the signal now; where nothing does, the process ends anyhow. Node may have put its handler there
// since the last wait.
void stand_before(int number) {
  struct sigaction now {};
  if (sigaction(number, nullptr, &now) != 0) return;
  const bool handled = (now.sa_flags & SA_SIGINFO) != 0 || (now.sa_handler != SIG_DFL && now.sa_handler != SIG_IGN);
  if (!handled || ((now.sa_flags & SA_SIGINFO) != 0 && now.sa_sigaction == on_signal)) return;
  before[number] = now;
  struct sigaction ours = now;
  ours.sa_flags |= SA_SIGINFO;
  ours.sa_sigaction = on_signal;
  sigaction(number, &ours, nullptr);
}

void step_aside() {
  for (const int number : kWatched) {
    struct sigaction now {};
    if (sigaction(number, nullptr, &now) != 0) continue;
    if ((now.sa_flags & SA_SIGINFO) != 0 && now.sa_sigaction == on_signal) sigaction(number, &before[number], nullptr);
  }
  signals = 0;
}

struct Waiting {
  Waiting() {
    for (const int number : kWatched) stand_before(number);
    waiting = true;
  }
  ~Waiting() { waiting = false; }
};

}  // namespace watch

struct Membership {
  int rank = 0;
  int size = 1;
  pid_t parent = 0;      // the process that started this one, where the group ends with it; 0 where it does not
  bool given_up = false;  // a wait was given up: Gloo's own thread still waits, and would be waited for
};

Membership& membership() {
  static Membership instance;
  return instance;
}

// Waits for an operation of the whole group.
void finish(c10d::Work& work, const char* operation) {
  using std::chrono::seconds;
  const watch::Waiting guard;
  const auto began = watch::Clock::now();
  auto orphaned = watch::Clock::time_point::max();
  seconds next_word(30);
  Membership& member = membership();
  for (;;) {
    try {
      work.wait(std::chrono::milliseconds(200));
      return;
    } catch (const std::exception&) {
      if (work.isCompleted()) throw;
    }
    const auto now = watch::Clock::now();
    if (now - began >= next_word) {
      std::fprintf(stderr, "\nprocess %d of %d has waited %lld s for the others in %s\n", member.rank, member.size,
                   static_cast<long long>(next_word.count()), operation);
      next_word *= 2;
    }
    if (member.parent == 0 || getppid() == member.parent) continue;
    // The others were told to stop, finish their step and save: that takes a while.
    if (orphaned == watch::Clock::time_point::max()) orphaned = now;
    if (now - orphaned < seconds(20)) continue;
    member.given_up = true;
    TORCH_CHECK(false, "the process that started this one has ended");
  }
}

// Newer libtorchs ask for a store on libuv unless told otherwise, and Debian builds them without; the plain one is in all.
template <class Options>
auto ask_for_plain_store(Options& options, int) -> decltype(options.useLibUV, void()) {
  options.useLibUV = false;
}

template <class Options>
void ask_for_plain_store(Options&, long) {}  // a libtorch that has only the plain one

// joinGroup(address, port, rank, worldSize, timeoutMs, endsWithParent): waits until all are there.
napi_value join_group(napi_env env, napi_callback_info info) {
  Args<6> args(env, info);
  const std::string address = args.string(0);
  const auto rank = static_cast<int>(args.integer(2));
  const auto size = static_cast<int>(args.integer(3));
  const std::chrono::milliseconds timeout(args.integer(4));
  c10d::TCPStoreOptions store_options;
  store_options.port = static_cast<uint16_t>(args.integer(1));
  store_options.isServer = rank == 0;
  store_options.numWorkers = size;
  store_options.timeout = timeout;
  ask_for_plain_store(store_options, 0);
  auto store = c10::make_intrusive<c10d::TCPStore>(address, store_options);
  store->setTimeout(timeout);
  auto options = Gloo::Options::create(timeout);
  options->devices.push_back(device_for(address));
  options->threads = 1;
  group() = c10::make_intrusive<Gloo>(store, rank, size, options);
  membership() = {rank, size, args.boolean(5) ? getppid() : 0, false};
  return nullptr;
}

void leave() {
  if (!group()) return;
  watch::step_aside();
  // Its destructor would wait for the thread that still waits for the others.
  if (membership().given_up) static_cast<void>(group().release());
  else group().reset();
}

napi_value leave_group(napi_env, napi_callback_info) {
  leave();
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
  finish(*joined().allreduce(tensors, options), "allReduce");
  return nullptr;
}

// broadcast(root), tape: one tensor, changed in place everywhere but at the root.
napi_value broadcast(napi_env env, napi_callback_info info) {
  c10d::BroadcastOptions options;
  options.rootRank = static_cast<int>(Args<1>(env, info).integer(0));
  std::vector<at::Tensor> tensors = listed_tensors();
  finish(*joined().broadcast(tensors, options), "broadcast");
  return nullptr;
}

// allGather(), tape: a tensor that is sent, then one for each process that is filled; all of one shape.
napi_value all_gather(napi_env, napi_callback_info) {
  const std::vector<at::Tensor> tensors = listed_tensors();
  std::vector<at::Tensor> inputs(tensors.begin(), tensors.begin() + 1);
  std::vector<std::vector<at::Tensor>> outputs{{tensors.begin() + 1, tensors.end()}};
  finish(*joined().allgather(outputs, inputs), "allGather");
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
  leave();
#endif
}

}  // namespace retort
