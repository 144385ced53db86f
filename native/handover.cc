#include "handover.h"

#include <ATen/Parallel.h>
#include <ATen/ThreadLocalState.h>
#include <c10/util/Exception.h>

#include <thread>

namespace retort {

// Without the lock, which is held before and after.
void Handover::perform(Work& work, std::unique_lock<std::mutex>& lock) {
  lock.unlock();
  std::exception_ptr error;
  try {
    (*work.body)();
  } catch (...) {
    error = std::current_exception();
  }
  lock.lock();
  work.error = error;
  work.done = true;
  changed_.notify_all();
}

void Handover::serve(const Work& until, std::unique_lock<std::mutex>& lock) {
  ++serving_;
  for (;;) {
    changed_.wait(lock, [&] { return until.done || !tasks_.empty(); });
    if (until.done) break;
    Work* task = tasks_.front();
    tasks_.pop_front();
    Work* const outer = current_;
    current_ = task;
    perform(*task, lock);
    current_ = outer;
  }
  --serving_;
}

// Gradient mode and the like are per thread: a body finds those of the thread that it stands in for.
void Handover::run(const Body& body) {
  const at::ThreadLocalState state;
  const Body here = [&] {
    const at::ThreadLocalStateGuard guard(state);
    body();
  };
  Work work{&here};
  std::unique_lock<std::mutex> lock(mutex_);
  if (current_ != nullptr) {
    current_->inner = &work;
    changed_.notify_all();
    serve(work, lock);
  } else {
    std::thread other([&] {
      at::init_num_threads();  // as many as all of the process
      std::unique_lock<std::mutex> own(mutex_);
      perform(work, own);
    });
    serve(work, lock);
    lock.unlock();
    other.join();
  }
  if (work.error) std::rethrow_exception(work.error);
}

void Handover::call(const Body& task) {
  const at::ThreadLocalState state;
  const Body there = [&] {
    const at::ThreadLocalStateGuard guard(state);
    task();
  };
  Work work{&there};
  std::unique_lock<std::mutex> lock(mutex_);
  TORCH_CHECK(serving_ > 0, "a hook was called outside JavaScript's thread, which does not wait for it");
  tasks_.push_back(&work);
  changed_.notify_all();
  for (;;) {
    changed_.wait(lock, [&] { return work.done || work.inner != nullptr; });
    if (work.done) break;
    Work* inner = work.inner;
    work.inner = nullptr;
    perform(*inner, lock);
  }
  if (work.error) std::rethrow_exception(work.error);
}

}  // namespace retort
