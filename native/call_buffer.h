// The call buffer: an array of doubles shared with JavaScript, in which arguments travel down and results come back. Cheaper than
// Node-API values, of which none is made per argument.
//
// Every read and every write is checked against its length, here and nowhere else. Whoever leaves results asks for their room
// first: the call buffer then grows, and JavaScript sees the new memory in the object it holds.
#pragma once

#include <cstddef>
#include <cstdint>

#include "napi.h"
#include "slots.h"

namespace retort {

class CallBuffer {
 public:
  explicit CallBuffer(Js js) : js_(js) {}

  // Makes the first memory.
  void attach();
  // The object through which JavaScript sees the memory: `numbers`, and the same as 64-bit integers, `bits`.
  napi_value holder() const { return js_.referenced(holder_); }
  // Room for `length` numbers. What stands in the call buffer stays.
  void reserve(size_t length);
  // Lets go of JavaScript's memory, when the environment ends.
  void release();

  double number(size_t at) const { return data_[checked(at)]; }
  int64_t integer(size_t at) const;
  Handle handle(size_t at) const;
  // How many values follow; never more than there is room for.
  size_t count(size_t at) const;
  // A 64-bit integer that no double holds, as its upper 32 bits (signed) and its lower ones.
  int64_t halves(size_t at) const;

  void put(size_t at, double value) { data_[checked(at)] = value; }
  // The bits of an integer in place of a double; JavaScript reads them through `bits`.
  void put_bits(size_t at, int64_t value);

 private:
  size_t checked(size_t at) const {
    if (at >= length_) out_of_bounds(at);
    return at;
  }
  [[noreturn]] void out_of_bounds(size_t at) const;

  Js js_;
  double* data_ = nullptr;
  size_t length_ = 0;
  napi_ref buffer_ = nullptr;  // keeps the memory
  napi_ref holder_ = nullptr;
};

// A position in the call buffer that moves forward.
class Cursor {
 public:
  explicit Cursor(CallBuffer& call_buffer, size_t at = 0) : buffer_(call_buffer), at_(at) {}

  double number() { return buffer_.number(at_++); }
  int64_t integer() { return buffer_.integer(at_++); }
  Handle handle() { return buffer_.handle(at_++); }
  size_t count() { return buffer_.count(at_++); }
  int64_t halves() {
    at_ += 2;
    return buffer_.halves(at_ - 2);
  }
  void put(double value) { buffer_.put(at_++, value); }

 private:
  CallBuffer& buffer_;
  size_t at_;
};

// A double as a whole number of 64 bits; throws when it is none.
int64_t whole_number(double value);
// A double as a handle (0: no tensor); throws when it cannot be one.
Handle handle_from(double value);

}  // namespace retort
