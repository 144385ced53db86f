// The table of live tensors and the scopes that own them.
//
// JavaScript holds a tensor as a number, the handle: slot index plus the slot's generation. A slot that is freed gets a new
// generation, so an old handle can never reach another tensor. A tensor made inside a scope dies with it unless it is moved
// to the parent; one made outside any scope has owner 0 and is freed by the finalizer of its box (see boxes in tensors.cc).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

namespace retort {

using Handle = uint64_t;  // at most 53 bits: exact as a JavaScript number; 0 is no tensor
using ScopeId = uint64_t;

constexpr int kSlotBits = 25;
constexpr uint64_t kSlotMask = (uint64_t{1} << kSlotBits) - 1;
constexpr uint32_t kLastGeneration = (uint32_t{1} << (53 - kSlotBits)) - 1;

struct Slot {
  at::Tensor tensor;
  ScopeId owner = 0;
  int64_t external_bytes = 0;  // what was told to V8 for the box, to be taken back when freed
  uint32_t generation = 1;
  int32_t origin = -1;  // the operator that made it (index into the operator table), for leak reports
  bool live = false;
};

struct Scope {
  ScopeId id = 0;
  ScopeId parent = 0;
  std::vector<uint32_t> members;
};

class SlotTable {
 public:
  // A new handle, owned by the current scope.
  Handle insert(at::Tensor tensor, int32_t origin);
  // The tensor behind a handle, or null when it was freed. Valid until the next insert.
  Slot* find(Handle handle);
  void release(Handle handle);

  ScopeId current() const { return depth_ > 0 ? stack_[depth_ - 1].id : async_; }
  void enter();
  void exit();
  // Moves a tensor of the current scope to the parent; true when that leaves it without an owner (it then needs a box).
  bool escape(Handle handle);
  // Moves a tensor to a scope that is open (0: to none); true when it needs a box.
  bool move_to(Handle handle, ScopeId scope);

  // Scopes that live across `await`: JavaScript says which one the running continuation belongs to.
  ScopeId open_async();
  void select_async(ScopeId id) { async_ = async_scopes_.count(id) ? id : 0; }
  void close_async(ScopeId id);

  void clear();
  size_t live() const { return live_; }
  const std::vector<Slot>& slots() const { return slots_; }

 private:
  Scope* find_scope(ScopeId id);
  void free_slot(uint32_t index);
  void free_members(Scope& scope);

  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
  std::vector<Scope> stack_;  // reused: only the first depth_ are open
  size_t depth_ = 0;
  std::unordered_map<ScopeId, Scope> async_scopes_;
  ScopeId async_ = 0;
  ScopeId next_scope_ = 1;
  size_t live_ = 0;
};

}  // namespace retort
