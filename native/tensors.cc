// Tensors in and out: facts (shape, dtype, device), bytes both ways, boxes for the garbage collector.
#include <ATen/Functions.h>
#include <ATen/TensorUtils.h>

#include <cstring>

#include "engine.h"
#include "napi.h"

namespace retort {
namespace {

const at::Tensor& tensor_argument(napi_env env, napi_callback_info info) {
  return tensor_at(static_cast<Handle>(Args<1>(env, info).number(0)));
}

napi_value dispose(napi_env env, napi_callback_info info) {
  engine().slots.release(static_cast<Handle>(Args<1>(env, info).number(0)));
  return nullptr;
}

// A new handle to the same memory, outside the graph.
napi_value detach(napi_env env, napi_callback_info info) {
  return make_number(env, handle_of(tensor_argument(env, info).detach()));
}

// setData(handle, other): the first tensor takes over the second one's memory, shape and dtype, and stays itself.
napi_value set_data(napi_env env, napi_callback_info info) {
  Args<2> args(env, info);
  tensor_at(static_cast<Handle>(args.number(0))).set_data(tensor_at(static_cast<Handle>(args.number(1))));
  return nullptr;
}

napi_value is_live(napi_env env, napi_callback_info info) {
  return make_boolean(env, engine().slots.find(static_cast<Handle>(Args<1>(env, info).number(0))) != nullptr);
}

// Runs during a garbage collection (a "basic" finalizer): it may free memory, and must not call JavaScript.
void finalize_box(node_api_basic_env env, void* data, void*) {
  const auto handle = static_cast<Handle>(reinterpret_cast<uintptr_t>(data));
  Slot* slot = engine().slots.find(handle);
  if (slot == nullptr) return;
  int64_t total;
  napi_adjust_external_memory(env, -slot->external_bytes, &total);
  engine().slots.release(handle);
}

// An object whose collection frees the tensor; V8 is told the bytes, so that it collects in time.
napi_value box(napi_env env, napi_callback_info info) {
  const auto handle = static_cast<Handle>(Args<1>(env, info).number(0));
  tensor_at(handle);
  Slot* slot = engine().slots.find(handle);
  slot->external_bytes = static_cast<int64_t>(slot->tensor.defined() && slot->tensor.has_storage() ? slot->tensor.nbytes() : 0);
  int64_t total;
  napi_adjust_external_memory(env, slot->external_bytes, &total);
  napi_value out;
  napi_create_external(env, reinterpret_cast<void*>(static_cast<uintptr_t>(handle)), finalize_box, nullptr, &out);
  return out;
}

// tape[0...]: dtype, device type, device index, requires grad, is leaf, is contiguous, dimensions, the sizes.
napi_value describe_tensor(napi_env env, napi_callback_info info) {
  const at::Tensor& tensor = tensor_argument(env, info);
  double* out = engine().tape.data;
  const at::IntArrayRef sizes = tensor.sizes();
  out[0] = static_cast<double>(tensor.scalar_type());
  out[1] = static_cast<double>(tensor.device().type());
  out[2] = static_cast<double>(tensor.device().index());
  out[3] = tensor.requires_grad() ? 1 : 0;
  out[4] = tensor.is_leaf() ? 1 : 0;
  out[5] = tensor.layout() == at::kStrided && tensor.is_contiguous() ? 1 : 0;  // others refuse the question
  out[6] = static_cast<double>(sizes.size());
  for (size_t i = 0; i < sizes.size(); ++i) out[7 + i] = static_cast<double>(sizes[i]);
  return nullptr;
}

// One element: tape[0] is 0 double, 1 integer, 2 boolean, 3 integer beyond 2^53 (as bits); tape[1] the value.
napi_value item(napi_env env, napi_callback_info info) {
  const c10::Scalar value = tensor_argument(env, info).item();
  double* out = engine().tape.data;
  if (value.isBoolean()) {
    out[0] = 2;
    out[1] = value.toBool() ? 1 : 0;
  } else if (value.isIntegral(false)) {
    const int64_t integer = value.toLong();
    const bool safe = integer >= -(int64_t{1} << 53) && integer <= (int64_t{1} << 53);
    out[0] = safe ? 1 : 3;
    if (safe) {
      out[1] = static_cast<double>(integer);
    } else {
      std::memcpy(&out[1], &integer, sizeof integer);
    }
  } else {
    TORCH_CHECK(!value.isComplex(), "complex numbers have no JavaScript value: use real() and imag()");
    out[0] = 0;
    out[1] = value.toDouble();
  }
  return nullptr;
}

struct Bytes {
  void* data = nullptr;
  size_t length = 0;
};

Bytes bytes_of(napi_env env, napi_value view) {
  napi_typedarray_type type;
  size_t length = 0;
  size_t offset = 0;
  napi_value buffer;
  Bytes bytes;
  TORCH_CHECK(napi_get_typedarray_info(env, view, &type, &length, &bytes.data, &buffer, &offset) == napi_ok && type == napi_uint8_array,
              "a Uint8Array was expected");
  bytes.length = length;
  return bytes;
}

// fromBytes(Uint8Array, dtype) with tape[0] = dimensions, tape[1...] = sizes: a new CPU tensor with a copy of the bytes.
napi_value from_bytes(napi_env env, napi_callback_info info) {
  Args<2> args(env, info);
  const Bytes bytes = bytes_of(env, args.values[0]);
  Tape& tape = engine().tape;
  std::vector<int64_t> sizes(static_cast<size_t>(tape.integer(0)));
  for (size_t i = 0; i < sizes.size(); ++i) sizes[i] = tape.integer(1 + i);
  at::Tensor tensor = at::empty(sizes, at::TensorOptions().dtype(static_cast<at::ScalarType>(args.integer(1))));
  TORCH_CHECK(tensor.nbytes() == bytes.length, "shape ", tensor.sizes(), " takes ", tensor.nbytes(), " bytes, got ", bytes.length);
  if (bytes.length > 0) std::memcpy(tensor.data_ptr(), bytes.data, bytes.length);
  tape.data[0] = handle_of(std::move(tensor));
  return nullptr;
}

// toBytes(handle, ArrayBuffer of the right size): copies the elements in row-major order.
napi_value to_bytes(napi_env env, napi_callback_info info) {
  Args<2> args(env, info);
  const at::Tensor tensor = tensor_at(static_cast<Handle>(args.number(0))).detach().to(at::kCPU).contiguous();
  void* data = nullptr;
  size_t length = 0;
  TORCH_CHECK(napi_get_arraybuffer_info(env, args.values[1], &data, &length) == napi_ok && length == tensor.nbytes(),
              "an ArrayBuffer of ", tensor.nbytes(), " bytes was expected");
  if (length > 0) std::memcpy(data, tensor.data_ptr(), length);
  return nullptr;
}

}  // namespace

void define_tensors(napi_env env, napi_value exports) {
  define(env, exports, "dispose", guarded<dispose>);
  define(env, exports, "detach", guarded<detach>);
  define(env, exports, "setData", guarded<set_data>);
  define(env, exports, "isLive", guarded<is_live>);
  define(env, exports, "box", guarded<box>);
  define(env, exports, "describeTensor", guarded<describe_tensor>);
  define(env, exports, "item", guarded<item>);
  define(env, exports, "fromBytes", guarded<from_bytes>);
  define(env, exports, "toBytes", guarded<to_bytes>);
}

}  // namespace retort
