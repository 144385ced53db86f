// JavaScript functions that `backward` calls with a tensor's gradient.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include "handover.h"
#include "napi.h"
#include "slots.h"

namespace retort {

struct Engine;
class HookTable;

// One hook, held by the graph. It may outlive both its removal (while it runs) and its environment; it then calls nothing.
struct Hook {
  HookTable* table;   // null once the environment has ended
  napi_ref function;  // null once it is removed
  int64_t id = 0;
  std::thread::id thread = std::this_thread::get_id();
  bool elsewhere = false;  // its tensor is on a device that libtorch has threads for

  Hook(HookTable* owner, napi_ref reference) : table(owner), function(reference) {}
  ~Hook();
  Hook(const Hook&) = delete;
  Hook& operator=(const Hook&) = delete;
};

class HookTable {
 public:
  explicit HookTable(Js js) : js_(js) {}

  // registerHook: the number by which the hook can be removed.
  int64_t add(Engine& engine, Handle tensor, napi_value function);
  // Harmless for one that is gone, and for one that is running.
  void remove(Engine& engine, int64_t id);
  // Called when the graph drops a hook, which may be during a collection, when JavaScript is out of reach, and on any thread.
  void forget(Hook& hook);
  // Cuts all hooks off, when the environment ends.
  void release();
  // Lets go of the functions of hooks that the graph has dropped; every call from JavaScript begins with it.
  void release_dropped() {
    if (has_dropped_) release_all_dropped();
  }
  // Runs a body in which libtorch may call hooks: on a thread of its own where some would be called elsewhere.
  void differentiate(const Handover::Body& body) {
    if (elsewhere_ == 0 && !always_hand_over_) return body();
    handover_.run(body);
  }
  Handover& handover() { return handover_; }
  // For tests, on machines that have no other device.
  void always_hand_over(bool value) { always_hand_over_ = value; }
  // How often hooks have run. Where that changes, JavaScript was called, and the call buffer holds something else.
  int64_t runs() const { return runs_; }
  void count_run() { ++runs_; }

 private:
  void release_all_dropped();

  struct Entry {
    Hook* hook;
    Handle tensor;
    unsigned position;  // among libtorch's hooks of that tensor
  };

  void drop_later(Hook& hook);

  Js js_;
  Handover handover_;
  std::mutex mutex_;  // of the three below
  std::unordered_map<int64_t, Entry> hooks_;
  std::vector<napi_ref> dropped_;
  std::atomic<bool> has_dropped_{false};
  std::atomic<int64_t> elsewhere_{0};  // hooks whose tensors are on such devices
  bool always_hand_over_ = false;
  int64_t next_ = 1;
  int64_t runs_ = 0;
};

}  // namespace retort
