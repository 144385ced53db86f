#include "slots.h"

#include <c10/util/Exception.h>

namespace retort {

Handle SlotTable::insert(at::Tensor tensor, int32_t origin) {
  uint32_t index;
  if (!free_.empty()) {
    index = free_.back();
    free_.pop_back();
  } else {
    TORCH_CHECK(slots_.size() < kSlotMask, "too many live tensors (", slots_.size(), ")");
    index = static_cast<uint32_t>(slots_.size());
    slots_.emplace_back();
  }
  Slot& slot = slots_[index];
  slot.tensor = std::move(tensor);
  slot.origin = origin;
  slot.live = true;
  slot.owner = current();
  ++live_;
  if (depth_ > 0) {
    stack_[depth_ - 1].members.push_back(index);
  } else if (async_ != 0) {
    async_scopes_[async_].members.push_back(index);
  }
  return (static_cast<uint64_t>(slot.generation) << kSlotBits) | index;
}

Slot* SlotTable::find(Handle handle) {
  const uint64_t index = handle & kSlotMask;
  if (index >= slots_.size()) return nullptr;
  Slot& slot = slots_[index];
  return slot.live && slot.generation == (handle >> kSlotBits) ? &slot : nullptr;
}

void SlotTable::release(Handle handle) {
  if (find(handle) == nullptr) return;
  const auto index = static_cast<uint32_t>(handle & kSlotMask);
  // A scope that makes and disposes many tensors must not remember each of them.
  if (depth_ > 0 && !stack_[depth_ - 1].members.empty() && stack_[depth_ - 1].members.back() == index) {
    stack_[depth_ - 1].members.pop_back();
  }
  free_slot(index);
}

void SlotTable::free_slot(uint32_t index) {
  Slot& slot = slots_[index];
  // The tensor goes last: its destructor may run other code (a graph's hooks) that comes back here.
  at::Tensor doomed = std::move(slot.tensor);
  slot.tensor = at::Tensor();
  slot.live = false;
  slot.owner = 0;
  --live_;
  if (slot.generation < kLastGeneration) {  // a slot whose generations are used up is never used again
    ++slot.generation;
    free_.push_back(index);
  }
}

void SlotTable::free_members(Scope& scope) {
  // A member may have been freed, reused or moved since; the owner tells.
  for (size_t i = 0; i < scope.members.size(); ++i) {
    const uint32_t index = scope.members[i];
    if (slots_[index].owner == scope.id) free_slot(index);
  }
  scope.members.clear();
}

void SlotTable::enter() {
  const ScopeId parent = current();
  if (depth_ == stack_.size()) stack_.emplace_back();
  Scope& scope = stack_[depth_++];
  scope.id = next_scope_++;
  scope.parent = parent;
}

void SlotTable::exit() {
  TORCH_CHECK(depth_ > 0, "no scope is open");
  free_members(stack_[depth_ - 1]);
  --depth_;
}

Scope* SlotTable::find_scope(ScopeId id) {
  for (size_t i = depth_; i-- > 0;) {
    if (stack_[i].id == id) return &stack_[i];
  }
  const auto found = async_scopes_.find(id);
  return found == async_scopes_.end() ? nullptr : &found->second;
}

bool SlotTable::escape(Handle handle) {
  Slot* slot = find(handle);
  if (slot == nullptr || slot->owner == 0 || slot->owner != current()) return false;
  return move_to(handle, depth_ > 0 ? stack_[depth_ - 1].parent : async_scopes_[async_].parent);
}

bool SlotTable::move_to(Handle handle, ScopeId id) {
  Slot* slot = find(handle);
  // Inner scopes have larger ids: a tensor never moves inwards, where it would die sooner.
  if (slot == nullptr || slot->owner <= id) return false;
  Scope* scope = id == 0 ? nullptr : find_scope(id);
  slot->owner = scope == nullptr ? 0 : id;
  if (scope == nullptr) return true;
  scope->members.push_back(static_cast<uint32_t>(handle & kSlotMask));
  return false;
}

ScopeId SlotTable::open_async() {
  const ScopeId parent = current();
  const ScopeId id = next_scope_++;
  Scope& scope = async_scopes_[id];
  scope.id = id;
  scope.parent = parent;
  return id;
}

void SlotTable::close_async(ScopeId id) {
  const auto found = async_scopes_.find(id);
  if (found == async_scopes_.end()) return;
  Scope scope = std::move(found->second);
  async_scopes_.erase(found);
  if (async_ == id) async_ = 0;
  free_members(scope);
}

void SlotTable::clear() {
  depth_ = 0;
  async_ = 0;
  async_scopes_.clear();
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].live) free_slot(static_cast<uint32_t>(i));
  }
}

}  // namespace retort
