#include "hooks.h"

#include <c10/util/Exception.h>

#include <memory>

#include "engine.h"

namespace retort {
namespace {

// Calls a hook. It holds the hook itself: JavaScript may remove it meanwhile, and what libtorch calls is then gone.
at::Tensor run(Engine* engine, std::shared_ptr<Hook> hook, at::Tensor gradient) {
  TORCH_CHECK(std::this_thread::get_id() == hook->thread, "a hook was called outside JavaScript's thread");
  if (hook->table == nullptr || hook->function == nullptr) return {};
  engine->hooks.count_run();
  const Js js = engine->js;
  const HandleScope scope(js);
  const napi_value argument = js.number(static_cast<double>(engine->handle_of(std::move(gradient))));
  const Handle handle = handle_from(js.to_number(js.call(js.referenced(hook->function), {argument})));
  return handle == 0 ? at::Tensor() : engine->tensor(handle);
}

}  // namespace

Hook::~Hook() {
  if (table != nullptr) table->forget(*this);
}

int64_t HookTable::add(Engine& engine, Handle handle, napi_value function) {
  const at::Tensor tensor = engine.tensor(handle);
  TORCH_CHECK(tensor.is_cpu(), "a hook on a tensor of ", tensor.device(),
              " would run outside JavaScript's thread; hooks work on CPU tensors");
  TORCH_CHECK(tensor.requires_grad(), "a hook needs a tensor that requires a gradient");
  const auto hook = std::make_shared<Hook>(this, js_.reference(function));
  hook->id = next_++;
  hooks_[hook->id] = {hook.get(), handle, 0};
  hooks_[hook->id].position =
      tensor.register_hook([&engine, hook](const at::Tensor& gradient) { return run(&engine, hook, gradient); });
  return hook->id;
}

void HookTable::remove(Engine& engine, int64_t id) {
  const auto found = hooks_.find(id);
  if (found == hooks_.end()) return;
  const Entry entry = found->second;
  hooks_.erase(found);
  const napi_ref function = entry.hook->function;
  entry.hook->function = nullptr;
  // libtorch forgets it too where its tensor is still there; otherwise the graph keeps an empty shell.
  if (Slot* slot = engine.slots.find(entry.tensor)) slot->tensor.remove_hook(entry.position);
  js_.drop(function);
}

void HookTable::forget(Hook& hook) {
  if (hook.function != nullptr) dropped_.push_back(hook.function);
  hooks_.erase(hook.id);
}

void HookTable::release() {
  for (auto& [id, entry] : hooks_) {
    entry.hook->table = nullptr;
    if (entry.hook->function != nullptr) dropped_.push_back(entry.hook->function);
    entry.hook->function = nullptr;
  }
  hooks_.clear();
  release_dropped();
}

void HookTable::release_all_dropped() {
  while (!dropped_.empty()) {
    const napi_ref reference = dropped_.back();
    dropped_.pop_back();
    js_.drop(reference);
  }
}

}  // namespace retort
