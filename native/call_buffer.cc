#include "call_buffer.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <string>

namespace retort {
namespace {

constexpr size_t kFirstLength = 4096;
constexpr double kIntegers = 9223372036854775808.0;  // 2^63: int64 holds what is below, and no less than its negative
constexpr double kHandles = 9007199254740992.0;      // 2^53

}  // namespace

int64_t whole_number(double value) {
  if (!(value >= -kIntegers && value < kIntegers) || std::trunc(value) != value) {
    throw std::invalid_argument("a whole number of 64 bits was expected, got " + std::to_string(value));
  }
  return static_cast<int64_t>(value);
}

Handle handle_from(double value) {
  if (!(value >= 0 && value < kHandles))
    throw std::invalid_argument("a tensor was expected, got " + std::to_string(value));
  return static_cast<Handle>(value);
}

void CallBuffer::attach() {
  holder_ = js_.reference(js_.object());
  reserve(kFirstLength);
}

void CallBuffer::reserve(size_t length) {
  if (length <= length_) return;
  const size_t grown = std::max(length, 2 * length_);
  void* memory = nullptr;
  const napi_value buffer = js_.array_buffer(grown * sizeof(double), &memory);
  const napi_value numbers = js_.typed_array(napi_float64_array, grown, buffer);
  const napi_value bits = js_.typed_array(napi_bigint64_array, grown, buffer);
  const napi_value seen = holder();
  const napi_ref kept = js_.reference(buffer);
  js_.set(seen, "numbers", numbers);
  js_.set(seen, "bits", bits);
  if (length_ > 0) std::memcpy(memory, data_, length_ * sizeof(double));
  const napi_ref before = buffer_;
  data_ = static_cast<double*>(memory);
  length_ = grown;
  buffer_ = kept;
  if (before != nullptr) js_.drop(before);
}

void CallBuffer::release() {
  data_ = nullptr;
  length_ = 0;
  if (buffer_ != nullptr) js_.drop(buffer_);
  if (holder_ != nullptr) js_.drop(holder_);
  buffer_ = nullptr;
  holder_ = nullptr;
}

int64_t CallBuffer::integer(size_t at) const { return whole_number(number(at)); }
Handle CallBuffer::handle(size_t at) const { return handle_from(number(at)); }

size_t CallBuffer::count(size_t at) const {
  const int64_t count = integer(at);
  if (count < 0 || static_cast<size_t>(count) > length_ - at - 1) {
    throw std::out_of_range("the call buffer has no room for the " + std::to_string(count) + " values it announces");
  }
  return static_cast<size_t>(count);
}

int64_t CallBuffer::halves(size_t at) const {
  const auto high = static_cast<uint64_t>(integer(at));
  const auto low = static_cast<uint64_t>(integer(at + 1));
  return static_cast<int64_t>((high << 32) | (low & 0xffffffffu));
}

void CallBuffer::put_bits(size_t at, int64_t value) { std::memcpy(&data_[checked(at)], &value, sizeof value); }

void CallBuffer::out_of_bounds(size_t at) const {
  throw std::out_of_range("position " + std::to_string(at) + " is outside of the call buffer, which has " +
                          std::to_string(length_));
}

}  // namespace retort
