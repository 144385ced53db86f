// Lets other threads run something on JavaScript's thread. libtorch computes the gradients of CUDA tensors on a thread for each
// device, and calls hooks there, where JavaScript may not run. So `backward` goes to a thread of its own while JavaScript's thread
// waits for it and does what the others hand over.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>

namespace retort {

class Handover {
 public:
  using Body = std::function<void()>;

  // Called on JavaScript's thread: runs `body` elsewhere, and what is handed over here, until `body` has ended; what it throws is
  // thrown here. Inside a task, `body` runs on the thread that waits for the task: it may be the only one of its device.
  void run(const Body& body);

  // Called on any other thread: runs `task` on JavaScript's, and waits for it. Throws what it throws, and where nobody serves.
  void call(const Body& task);

 private:
  // A body, and what became of it; under the mutex.
  struct Work {
    const Body* body;
    bool done = false;
    std::exception_ptr error{};
    Work* inner = nullptr;  // of a task: a body that its own thread is to run meanwhile
  };

  void serve(const Work& until, std::unique_lock<std::mutex>& lock);
  void perform(Work& work, std::unique_lock<std::mutex>& lock);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Work*> tasks_;
  Work* current_ = nullptr;  // the task that JavaScript's thread is in
  int serving_ = 0;
};

}  // namespace retort
