// Several processes that compute together: a process group over TCP (c10d's Gloo), and its collective operations on the tensors
// that stand in the call buffer. All processes of a group must call the same operations in the same order. One thread of a process
// may be in a group.
#include "engine.h"

#if defined(RETORT_GLOO)
#define USE_C10D_GLOO
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#if defined(RETORT_NCCL)
#define USE_C10D_NCCL
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif

#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>
#endif

namespace retort {

#if defined(RETORT_GLOO)
namespace {

using Gloo = c10d::ProcessGroupGloo;

// What an environment that is in a group knows of it.
struct Membership {
  c10::intrusive_ptr<Gloo> group;
  int rank = 0;
  int size = 1;
  pid_t parent = 0;       // the process that started this one, where the group ends with it; 0 where it does not
  bool given_up = false;  // a wait was given up: Gloo's own thread still waits, and would be waited for
#if defined(RETORT_NCCL)
  c10::intrusive_ptr<c10d::Store> store{};
  c10::intrusive_ptr<c10d::ProcessGroupNCCL> nccl{};  // for tensors on CUDA; joined when the first of them comes
#endif

  // Its destructor would wait for the thread that still waits for the others.
  ~Membership() {
    if (given_up) static_cast<void>(group.release());
  }
};

Membership& joined(Engine& engine) {
  TORCH_CHECK(engine.group, "this process has joined no group");
  return *static_cast<Membership*>(engine.group.get());
}

bool is_loopback(const sockaddr* address) {
  if (address->sa_family == AF_INET)
    return (ntohl(reinterpret_cast<const sockaddr_in*>(address)->sin_addr.s_addr) >> 24) == 127;
  return address->sa_family == AF_INET6 &&
         IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr) != 0;
}

// The address of this machine that lies towards another; empty where that is unknown, or is this machine by its own name: many give
// that the address 127.0.1.1, which no other machine reaches. Nothing is sent.
std::string own_address_towards(const std::string& host, uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) return "";
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> guard(found, freeaddrinfo);
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    const int fd = socket(one->ai_family, one->ai_socktype | SOCK_CLOEXEC, one->ai_protocol);
    if (fd < 0) continue;
    sockaddr_storage own{};
    socklen_t size = sizeof own;
    auto* address = reinterpret_cast<sockaddr*>(&own);
    const bool known = connect(fd, one->ai_addr, one->ai_addrlen) == 0 && getsockname(fd, address, &size) == 0;
    close(fd);
    char text[NI_MAXHOST];
    if (known && !is_loopback(address) &&
        getnameinfo(address, size, text, sizeof text, nullptr, 0, NI_NUMERICHOST) == 0)
      return text;
  }
  return "";
}

// The network interface that other processes reach: the loopback one where they all run on this machine, else that towards the first
// of them. Gloo's own choice, the interface of the host's name, is loopback on many machines.
std::shared_ptr<::gloo::transport::Device> device_for(const std::string& address, uint16_t port) {
  if (address == "127.0.0.1" || address == "localhost") return Gloo::createDeviceForHostname("127.0.0.1");
  const char* interface = std::getenv("GLOO_SOCKET_IFNAME");
  if (interface != nullptr && *interface != '\0') return Gloo::createDeviceForInterface(interface);
  const std::string own = own_address_towards(address, port);
  return own.empty() ? Gloo::createDefaultDevice() : Gloo::createDeviceForHostname(own);
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
  if ((next.sa_flags & SA_SIGINFO) != 0)
    next.sa_sigaction(number, info, context);
  else
    next.sa_handler(number);
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

// Waits for an operation of the whole group.
void finish(Membership& member, c10d::Work& work, const char* operation) {
  using std::chrono::seconds;
  const watch::Waiting guard;
  const auto began = watch::Clock::now();
  auto orphaned = watch::Clock::time_point::max();
  seconds next_word(30);
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

// The right to be in a group, which one thread of a process has at a time.
void claim_group(Engine& engine) {
  std::lock_guard<std::mutex> guard(process().mutex);
  TORCH_CHECK(process().group == nullptr || process().group == &engine, "another thread of this process is in a group");
  process().group = &engine;
}

// Newer libtorchs ask for a store on libuv unless told otherwise, and Debian builds them without; the plain one is in all.
template <class Options>
auto ask_for_plain_store(Options& options, int) -> decltype(options.useLibUV, void()) {
  options.useLibUV = false;
}

template <class Options>
void ask_for_plain_store(Options&, long) {}  // a libtorch that has only the plain one

// joinGroup(address, port, rank, worldSize, timeoutMs, endsWithParent): waits until all are there.
void join_group(const Args<6>& args) {
  const std::string address = args.string(0);
  const auto rank = static_cast<int>(args.integer(2));
  const auto size = static_cast<int>(args.integer(3));
  const std::chrono::milliseconds timeout(args.integer(4));
  const pid_t parent = args.boolean(5) ? getppid() : 0;
  c10d::TCPStoreOptions store_options;
  store_options.port = static_cast<uint16_t>(args.integer(1));
  store_options.isServer = rank == 0;
  store_options.numWorkers = size;
  store_options.timeout = timeout;
  ask_for_plain_store(store_options, 0);
  claim_group(args.engine);
  try {
    auto store = c10::make_intrusive<c10d::TCPStore>(address, store_options);
    store->setTimeout(timeout);
    auto options = Gloo::Options::create(timeout);
    options->devices.push_back(device_for(address, store_options.port));
    options->threads = 1;
    auto group = c10::make_intrusive<Gloo>(store, rank, size, options);
    auto member = std::make_shared<Membership>();
    member->group = std::move(group);
    member->rank = rank;
    member->size = size;
    member->parent = parent;
#if defined(RETORT_NCCL)
    member->store = std::move(store);
#endif
    args.engine.group = std::move(member);
  } catch (...) {
    leave_group(args.engine);
    throw;
  }
}

void leave(const Args<0>& args) { leave_group(args.engine); }

std::vector<at::Tensor> listed_tensors(Engine& engine) {
  Cursor in(engine.call_buffer);
  return engine.read_tensors(in);
}

// An operation on tensors of one device: by NCCL on CUDA, where it was built in, else by Gloo. Without NCCL JavaScript brings the
// tensors to the CPU before.
template <typename Run>
void collect(Engine& engine, const at::Tensor& first, const char* operation, Run&& run) {
  Membership& member = joined(engine);
#if defined(RETORT_NCCL)
  if (first.is_cuda()) {
    if (!member.nccl) {
      auto store = c10::make_intrusive<c10d::PrefixStore>("nccl", member.store);
      member.nccl = c10::make_intrusive<c10d::ProcessGroupNCCL>(store, member.rank, member.size,
                                                                c10d::ProcessGroupNCCL::Options::create());
    }
    return finish(member, *run(*member.nccl), operation);
  }
#endif
  TORCH_CHECK(first.is_cpu(), operation, ": tensors on the CPU were expected, got ", first.device());
  finish(member, *run(*member.group), operation);
}

at::Tensor first_of(const std::vector<at::Tensor>& tensors) {
  TORCH_CHECK(!tensors.empty(), "a tensor was expected");
  return tensors.front();
}

c10d::ReduceOp::RedOpType reduction(const std::string& name) {
  if (name == "sum") return c10d::ReduceOp::SUM;
  if (name == "min") return c10d::ReduceOp::MIN;
  if (name == "max") return c10d::ReduceOp::MAX;
  TORCH_CHECK(false, "there is no reduction ", name);
}

// allReduce(reduction), call buffer: one tensor, changed in place.
void all_reduce(const Args<1>& args) {
  c10d::AllreduceOptions options;
  options.reduceOp = reduction(args.string(0));
  std::vector<at::Tensor> tensors = listed_tensors(args.engine);
  collect(args.engine, first_of(tensors), "allReduce", [&](auto& group) { return group.allreduce(tensors, options); });
}

// broadcast(root), call buffer: one tensor, changed in place everywhere but at the root.
void broadcast(const Args<1>& args) {
  c10d::BroadcastOptions options;
  options.rootRank = static_cast<int>(args.integer(0));
  std::vector<at::Tensor> tensors = listed_tensors(args.engine);
  collect(args.engine, first_of(tensors), "broadcast", [&](auto& group) { return group.broadcast(tensors, options); });
}

// allGather(), call buffer: a tensor that is sent, then one for each process that is filled; all of one shape.
void all_gather(const Args<0>& args) {
  const std::vector<at::Tensor> tensors = listed_tensors(args.engine);
  std::vector<at::Tensor> inputs(tensors.begin(), tensors.begin() + 1);
  std::vector<std::vector<at::Tensor>> outputs{{tensors.begin() + 1, tensors.end()}};
  collect(args.engine, first_of(tensors), "allGather", [&](auto& group) { return group.allgather(outputs, inputs); });
}

}  // namespace
#endif

void leave_group(Engine& engine) {
#if defined(RETORT_GLOO)
  if (engine.group) watch::step_aside();
#endif
  engine.group.reset();
  std::lock_guard<std::mutex> guard(process().mutex);
  if (process().group == &engine) process().group = nullptr;
}

void define_distributed([[maybe_unused]] Exports& exports) {
#if defined(RETORT_GLOO)
  exports.add<join_group>("joinGroup");
  exports.add<leave>("leaveGroup");
  exports.add<all_reduce>("allReduce");
  exports.add<broadcast>("broadcast");
  exports.add<all_gather>("allGather");
#endif
}

bool has_nccl() {
#if defined(RETORT_GLOO) && defined(RETORT_NCCL)
  return true;
#else
  return false;
#endif
}

bool can_join_group() {
#if defined(RETORT_GLOO)
  return true;
#else
  return false;
#endif
}

}  // namespace retort
