// Tensors in and out: facts (shape, dtype, device), bytes both ways, boxes for the garbage collector.
#include <ATen/Functions.h>
#include <ATen/TensorUtils.h>

#include <cstring>

#include "allocator.h"
#include "engine.h"

namespace retort {
namespace {

// Takes back what V8 was told of a tensor's memory.
void forget_memory(node_api_basic_env env, Slot& slot) {
  if (slot.external_bytes != 0) adjust_external_memory(env, -slot.external_bytes);
  slot.external_bytes = 0;
}

void dispose(const Args<1>& args) {
  const Handle handle = args.handle(0);
  Slot* slot = args.engine.slots.find(handle);
  if (slot == nullptr) return;
  forget_memory(args.js.env(), *slot);
  args.engine.slots.release(handle);
}

// A new handle to the same memory, outside the graph.
Handle detach(const Args<1>& args) { return args.engine.handle_of(args.tensor(0).detach()); }

// setData(handle, other): the first tensor takes over the second one's memory, shape and dtype, and stays itself. A tensor without
// memory is of another make for libtorch: there the handle gets another tensor, and no hook or graph goes over to it.
void set_data(const Args<2>& args) {
  const at::Tensor& tensor = args.tensor(0);
  const at::Tensor& other = args.tensor(1);
  if (tensor.is_meta() == other.is_meta()) return tensor.set_data(other);
  TORCH_CHECK(tensor.is_leaf(), "only a leaf can be moved to or from meta");
  at::Tensor made = other.detach();
  made.set_requires_grad(tensor.requires_grad());
  args.engine.slots.find(args.handle(0))->tensor = std::move(made);
}

bool is_live(const Args<1>& args) { return args.engine.slots.find(args.handle(0)) != nullptr; }

// Runs during a garbage collection (a "basic" finalizer): it may free memory, and must not call JavaScript.
void finalize_box(node_api_basic_env env, void* data, void* hint) {
  Engine& engine = *static_cast<Engine*>(hint);
  const auto handle = static_cast<Handle>(reinterpret_cast<uintptr_t>(data));
  Slot* slot = engine.slots.find(handle);
  if (slot == nullptr) return;
  forget_memory(env, *slot);
  engine.slots.release(handle);
}

// An object whose collection frees the tensor; V8 is told the bytes, so that it collects in time.
napi_value box(const Args<1>& args) {
  const Handle handle = args.handle(0);
  const at::Tensor& tensor = args.engine.tensor(handle);
  const auto bytes = static_cast<int64_t>(tensor.has_storage() ? tensor.nbytes() : 0);
  void* data = reinterpret_cast<void*>(static_cast<uintptr_t>(handle));
  const napi_value out = args.js.external(data, finalize_box, &args.engine);
  if (Slot* slot = args.engine.slots.find(handle)) {
    slot->external_bytes = bytes;
    adjust_external_memory(args.js.env(), bytes);
  }
  return out;
}

// buffer[0...]: dtype, device type, device index, requires grad, is leaf, is contiguous, dimensions, the sizes.
void describe_tensor(const Args<1>& args) {
  const at::Tensor& tensor = args.tensor(0);
  const at::IntArrayRef sizes = tensor.sizes();
  args.engine.call_buffer.reserve(7 + sizes.size());
  Cursor out(args.engine.call_buffer);
  out.put(static_cast<double>(tensor.scalar_type()));
  out.put(static_cast<double>(tensor.device().type()));
  out.put(static_cast<double>(tensor.device().index()));
  out.put(tensor.requires_grad() ? 1 : 0);
  out.put(tensor.is_leaf() ? 1 : 0);
  out.put(tensor.layout() == at::kStrided && tensor.is_contiguous() ? 1 : 0);  // others refuse the question
  out.put(static_cast<double>(sizes.size()));
  for (const int64_t size : sizes) out.put(static_cast<double>(size));
}

// One element: buffer[0] is 0 double, 1 integer, 2 boolean, 3 integer beyond 2^53 (as bits); buffer[1] the value.
void item(const Args<1>& args) {
  const c10::Scalar value = args.tensor(0).item();
  CallBuffer& call_buffer = args.engine.call_buffer;
  if (value.isBoolean()) {
    call_buffer.put(0, 2);
    call_buffer.put(1, value.toBool() ? 1 : 0);
  } else if (value.isIntegral(false)) {
    const int64_t integer = value.toLong();
    const bool safe = integer >= -(int64_t{1} << 53) && integer <= (int64_t{1} << 53);
    call_buffer.put(0, safe ? 1 : 3);
    if (safe) {
      call_buffer.put(1, static_cast<double>(integer));
    } else {
      call_buffer.put_bits(1, integer);
    }
  } else {
    TORCH_CHECK(!value.isComplex(), "complex numbers have no JavaScript value: use real() and imag()");
    call_buffer.put(0, 0);
    call_buffer.put(1, value.toDouble());
  }
}

// fromBytes(Uint8Array, dtype) with buffer[0] = dimensions, buffer[1...] = sizes: a new CPU tensor with a copy of the bytes.
void from_bytes(const Args<2>& args) {
  const Js::Bytes bytes = args.js.to_bytes(args.values[0]);
  Cursor in(args.engine.call_buffer);
  std::vector<int64_t> sizes(in.count());
  for (int64_t& size : sizes) size = in.integer();
  at::Tensor tensor = at::empty(sizes, at::TensorOptions().dtype(static_cast<at::ScalarType>(args.integer(1))));
  TORCH_CHECK(tensor.nbytes() == bytes.length, "shape ", tensor.sizes(), " takes ", tensor.nbytes(), " bytes, got ",
              bytes.length);
  if (bytes.length > 0) std::memcpy(tensor.data_ptr(), bytes.data, bytes.length);
  args.engine.call_buffer.put(0, static_cast<double>(args.engine.handle_of(std::move(tensor))));
}

// blank(dtype) with buffer[0] = dimensions, buffer[1...] = sizes: a new CPU tensor that is about to be filled as a whole.
void blank(const Args<1>& args) {
  Cursor in(args.engine.call_buffer);
  std::vector<int64_t> sizes(in.count());
  for (int64_t& size : sizes) size = in.integer();
  const SmallPages touched_now;
  at::Tensor tensor = at::empty(sizes, at::TensorOptions().dtype(static_cast<at::ScalarType>(args.integer(0))));
  args.engine.call_buffer.put(0, static_cast<double>(args.engine.handle_of(std::move(tensor))));
}

// toBytes(handle, ArrayBuffer of the right size): copies the elements in row-major order.
void to_bytes(const Args<2>& args) {
  const at::Tensor tensor = args.tensor(0).detach().to(at::kCPU).contiguous();
  const Js::Bytes into = args.js.to_array_buffer(args.values[1]);
  TORCH_CHECK(into.length == tensor.nbytes(), "an ArrayBuffer of ", tensor.nbytes(), " bytes was expected");
  if (into.length > 0) std::memcpy(into.data, tensor.data_ptr(), into.length);
}

// writeBytes(handle, offset, Uint8Array): copies bytes into the memory of a contiguous CPU tensor, from that byte on.
void write_bytes(const Args<3>& args) {
  const at::Tensor& tensor = args.tensor(0);
  const int64_t offset = args.integer(1);
  const Js::Bytes bytes = args.js.to_bytes(args.values[2]);
  TORCH_CHECK(tensor.device().is_cpu() && tensor.is_contiguous(), "a contiguous tensor on the CPU was expected");
  const auto room = static_cast<int64_t>(tensor.nbytes());
  TORCH_CHECK(offset >= 0 && offset <= room && bytes.length <= static_cast<size_t>(room - offset), bytes.length,
              " bytes from byte ", offset, " on do not fit into ", room);
  if (bytes.length > 0) std::memcpy(static_cast<char*>(tensor.data_ptr()) + offset, bytes.data, bytes.length);
}

}  // namespace

void define_tensors(Exports& exports) {
  exports.add<dispose>("dispose");
  exports.add<detach>("detach");
  exports.add<set_data>("setData");
  exports.add<is_live>("isLive");
  exports.add<box>("box");
  exports.add<describe_tensor>("describeTensor");
  exports.add<item>("item");
  exports.add<from_bytes>("fromBytes");
  exports.add<blank>("blank");
  exports.add<to_bytes>("toBytes");
  exports.add<write_bytes>("writeBytes");
}

}  // namespace retort
