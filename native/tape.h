// The tape: an array of doubles shared with JavaScript, on which arguments travel down and results come back. Cheaper than
// Node-API values, of which none is made per argument.
//
// Every read and every write is checked against its length, here and nowhere else. Whoever leaves results asks for their room
// first: the tape then grows, and JavaScript sees the new memory in the object it holds.
#pragma once

#include <cstddef>
#include <cstdint>

#include "napi.h"
#include "slots.h"

namespace retort {

class Tape {
 public:
  explicit Tape(Js js) : js_(js) {}

  // Makes the first memory.
  void attach();
  // The object through which JavaScript sees the memory: `numbers`, and the same as 64-bit integers, `bits`.
  napi_value holder() const { return js_.referenced(holder_); }
  // Room for `length` numbers. What stands on the tape stays.
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

// A position on the tape that moves forward.
class Cursor {
 public:
  explicit Cursor(Tape& tape, size_t at = 0) : tape_(tape), at_(at) {}

  double number() { return tape_.number(at_++); }
  int64_t integer() { return tape_.integer(at_++); }
  Handle handle() { return tape_.handle(at_++); }
  size_t count() { return tape_.count(at_++); }
  int64_t halves() {
    at_ += 2;
    return tape_.halves(at_ - 2);
  }
  void put(double value) { tape_.put(at_++, value); }

 private:
  Tape& tape_;
  size_t at_;
};

// A double as a whole number of 64 bits; throws when it is none.
int64_t whole_number(double value);
// A double as a handle (0: no tensor); throws when it cannot be one.
Handle handle_from(double value);

}  // namespace retort
