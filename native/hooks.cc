#include "hooks.h"

#include <c10/util/Exception.h>

#include <memory>

#include "engine.h"

namespace retort {
namespace {

// Calls a hook. It holds the hook itself: JavaScript may remove it meanwhile, and what libtorch calls is then gone.
at::Tensor run_here(Engine* engine, const Hook& hook, const at::Tensor& gradient) {
  if (hook.table == nullptr || hook.function == nullptr) return {};
  engine->hooks.count_run();
  const Js js = engine->js;
  const HandleScope scope(js);
  const napi_value argument = js.number(static_cast<double>(engine->handle_of(gradient)));
  const Handle handle = handle_from(js.to_number(js.call(js.referenced(hook.function), {argument})));
  return handle == 0 ? at::Tensor() : engine->tensor(handle);
}

at::Tensor run(Engine* engine, const std::shared_ptr<Hook>& hook, const at::Tensor& gradient) {
  const std::shared_ptr<Hook> held = hook;
  if (std::this_thread::get_id() == held->thread) return run_here(engine, *held, gradient);
  at::Tensor result;
  engine->hooks.handover().call([&] { result = run_here(engine, *held, gradient); });
  return result;
}

}  // namespace

Hook::~Hook() {
  if (table != nullptr) table->forget(*this);
}

int64_t HookTable::add(Engine& engine, Handle handle, napi_value function) {
  const at::Tensor tensor = engine.tensor(handle);
  TORCH_CHECK(tensor.requires_grad(), "a hook needs a tensor that requires a gradient");
  const auto hook = std::make_shared<Hook>(this, js_.reference(function));
  hook->id = next_++;
  hook->elsewhere = !tensor.is_cpu() && !tensor.is_meta();
  if (hook->elsewhere) ++elsewhere_;
  {
    const std::lock_guard<std::mutex> guard(mutex_);
    hooks_[hook->id] = {hook.get(), handle, 0};
  }
  const unsigned position =
      tensor.register_hook([&engine, hook](const at::Tensor& gradient) { return run(&engine, hook, gradient); });
  const std::lock_guard<std::mutex> guard(mutex_);
  hooks_[hook->id].position = position;
  return hook->id;
}

void HookTable::remove(Engine& engine, int64_t id) {
  Entry entry{};
  napi_ref function = nullptr;
  {
    const std::lock_guard<std::mutex> guard(mutex_);
    const auto found = hooks_.find(id);
    if (found == hooks_.end()) return;
    entry = found->second;
    hooks_.erase(found);
    function = entry.hook->function;
    entry.hook->function = nullptr;
    if (entry.hook->elsewhere) --elsewhere_;
  }
  // libtorch forgets it too where its tensor is still there; otherwise the graph keeps an empty shell.
  if (Slot* slot = engine.slots.find(entry.tensor)) slot->tensor.remove_hook(entry.position);
  js_.drop(function);
}

void HookTable::drop_later(Hook& hook) {
  if (hook.elsewhere && hook.function != nullptr) --elsewhere_;
  if (hook.function != nullptr) dropped_.push_back(hook.function);
  has_dropped_ = !dropped_.empty();
}

void HookTable::forget(Hook& hook) {
  const std::lock_guard<std::mutex> guard(mutex_);
  drop_later(hook);
  hooks_.erase(hook.id);
}

void HookTable::release() {
  {
    const std::lock_guard<std::mutex> guard(mutex_);
    for (auto& [id, entry] : hooks_) {
      entry.hook->table = nullptr;
      drop_later(*entry.hook);
      entry.hook->function = nullptr;
    }
    hooks_.clear();
  }
  release_dropped();
}

void HookTable::release_all_dropped() {
  std::vector<napi_ref> dropped;
  {
    const std::lock_guard<std::mutex> guard(mutex_);
    dropped.swap(dropped_);
    has_dropped_ = false;
  }
  for (const napi_ref reference : dropped) js_.drop(reference);
}

}  // namespace retort
