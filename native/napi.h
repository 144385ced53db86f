// Node-API from C++. `Js` is the only way to it: every call's status is checked here, every result starts out as nothing, and
// the names themselves are poisoned below, so that no other file can forget either.
#pragma once

#include <node_api.h>

#include <cstdint>
#include <initializer_list>
#include <new>
#include <stdexcept>
#include <string>

namespace retort {

// A call of Node-API that failed: an exception is pending, the thread is being terminated, or an argument is of another type.
class NodeError : public std::runtime_error {
 public:
  NodeError(napi_status status, const char* function)
      : std::runtime_error(std::string(function) + " failed with status " + std::to_string(static_cast<int>(status))) {}
};

// The JavaScript side of one environment.
class Js {
 public:
  explicit Js(napi_env env) : env_(env) {}
  napi_env env() const { return env_; }

  // Values made for JavaScript.
  napi_value number(double value) const {
    return made("napi_create_double", [&](napi_value* out) { return napi_create_double(env_, value, out); });
  }
  napi_value boolean(bool value) const {
    return made("napi_get_boolean", [&](napi_value* out) { return napi_get_boolean(env_, value, out); });
  }
  napi_value string(const std::string& value) const {
    return made("napi_create_string_utf8",
                [&](napi_value* out) { return napi_create_string_utf8(env_, value.data(), value.size(), out); });
  }
  napi_value object() const {
    return made("napi_create_object", [&](napi_value* out) { return napi_create_object(env_, out); });
  }
  napi_value array() const {
    return made("napi_create_array", [&](napi_value* out) { return napi_create_array(env_, out); });
  }
  napi_value undefined() const {
    return made("napi_get_undefined", [&](napi_value* out) { return napi_get_undefined(env_, out); });
  }
  napi_value function(const char* name, napi_callback callback, void* data) const {
    return made("napi_create_function", [&](napi_value* out) {
      return napi_create_function(env_, name, NAPI_AUTO_LENGTH, callback, data, out);
    });
  }
  // An object whose collection calls `finalize`, during the collection itself: it may free memory, and not call JavaScript.
  napi_value external(void* data, node_api_basic_finalize finalize, void* hint) const {
    return made("napi_create_external",
                [&](napi_value* out) { return napi_create_external(env_, data, finalize, hint, out); });
  }
  // Memory shared with JavaScript, all zeros.
  napi_value array_buffer(size_t bytes, void** data) const {
    return made("napi_create_arraybuffer",
                [&](napi_value* out) { return napi_create_arraybuffer(env_, bytes, data, out); });
  }
  napi_value typed_array(napi_typedarray_type type, size_t length, napi_value buffer) const {
    return made("napi_create_typedarray",
                [&](napi_value* out) { return napi_create_typedarray(env_, type, length, buffer, 0, out); });
  }
  void set(napi_value object, const char* name, napi_value value) const {
    check(napi_set_named_property(env_, object, name, value), "napi_set_named_property");
  }
  void set(napi_value array, uint32_t index, napi_value value) const {
    check(napi_set_element(env_, array, index, value), "napi_set_element");
  }

  // Values that JavaScript gave. A wrong type is the caller's mistake: the message says what was expected.
  double to_number(napi_value value) const {
    double out = 0;
    expect(napi_get_value_double(env_, value, &out), "a number");
    return out;
  }
  bool to_boolean(napi_value value) const {
    bool out = false;
    expect(napi_get_value_bool(env_, value, &out), "a boolean");
    return out;
  }
  std::string to_string(napi_value value) const {
    size_t length = 0;
    expect(napi_get_value_string_utf8(env_, value, nullptr, 0, &length), "a string");
    std::string out(length, '\0');
    expect(napi_get_value_string_utf8(env_, value, out.data(), length + 1, &length), "a string");
    return out;
  }
  uint64_t to_uint64(napi_value value) const {
    uint64_t out = 0;
    bool lossless = false;
    expect(napi_get_value_bigint_uint64(env_, value, &out, &lossless), "a BigInt");
    return out;
  }

  struct Bytes {
    void* data = nullptr;
    size_t length = 0;
  };
  Bytes to_bytes(napi_value view) const {
    napi_typedarray_type type = napi_int8_array;
    Bytes out;
    expect(napi_get_typedarray_info(env_, view, &type, &out.length, &out.data, nullptr, nullptr), "a Uint8Array");
    if (type != napi_uint8_array) throw std::invalid_argument("a Uint8Array was expected");
    return out;
  }
  Bytes to_array_buffer(napi_value buffer) const {
    Bytes out;
    expect(napi_get_arraybuffer_info(env_, buffer, &out.data, &out.length), "an ArrayBuffer");
    return out;
  }

  // References keep a value beyond the call that brought it.
  napi_ref reference(napi_value value) const {
    napi_ref out = nullptr;
    check(napi_create_reference(env_, value, 1, &out), "napi_create_reference");
    return out;
  }
  napi_value referenced(napi_ref reference) const {
    return made("napi_get_reference_value",
                [&](napi_value* out) { return napi_get_reference_value(env_, reference, out); });
  }
  void drop(napi_ref reference) const { check(napi_delete_reference(env_, reference), "napi_delete_reference"); }

  napi_value call(napi_value function, std::initializer_list<napi_value> arguments) const {
    const napi_value receiver = undefined();
    return made("napi_call_function", [&](napi_value* out) {
      return napi_call_function(env_, receiver, function, arguments.size(), arguments.begin(), out);
    });
  }

  // What a callback got: its arguments (missing ones are `undefined`) and the data it was defined with.
  void* callback(napi_callback_info info, size_t count, napi_value* values) const {
    void* data = nullptr;
    check(napi_get_cb_info(env_, info, &count, values, nullptr, &data), "napi_get_cb_info");
    return data;
  }

  // `release` runs when the environment ends, while JavaScript's memory is still there; `destroy` after every finalizer.
  void on_end(void* data, void (*release)(void*), napi_finalize destroy) const {
    check(napi_set_instance_data(env_, data, destroy, nullptr), "napi_set_instance_data");
    check(napi_add_env_cleanup_hook(env_, release, data), "napi_add_env_cleanup_hook");
  }

  // Makes the error what JavaScript sees, unless an exception is on its way already. A thread that is being terminated takes no
  // more exceptions, and needs none: so here alone a status does not count.
  void raise(const char* code, const std::string& message) const noexcept {
    bool pending = false;
    if (napi_is_exception_pending(env_, &pending) == napi_ok && pending) return;
    (void)napi_throw_error(env_, code, message.c_str());
  }

 private:
  friend class HandleScope;

  static void check(napi_status status, const char* function) {
    if (status != napi_ok) throw NodeError(status, function);
  }
  static void expect(napi_status status, const char* what) {
    if (status != napi_ok) throw std::invalid_argument(std::string(what) + " was expected");
  }
  template <typename Make>
  static napi_value made(const char* function, Make&& make) {
    napi_value out = nullptr;
    check(make(&out), function);
    return out;
  }

  napi_env env_;
};

// Tells the collector about memory outside its heap; also allowed while it runs, hence without `Js`. The only failure there is
// would be an environment of null.
inline void adjust_external_memory(node_api_basic_env env, int64_t bytes) noexcept {
  int64_t total = 0;
  (void)napi_adjust_external_memory(env, bytes, &total);
}

// JavaScript values that native code makes between its begin and its end are not kept beyond it.
class HandleScope {
 public:
  explicit HandleScope(Js js) : js_(js) {
    Js::check(napi_open_handle_scope(js_.env(), &scope_), "napi_open_handle_scope");
  }
  // It fails only for a scope that is not the innermost one, which this class rules out.
  ~HandleScope() { (void)napi_close_handle_scope(js_.env(), scope_); }
  HandleScope(const HandleScope&) = delete;
  HandleScope& operator=(const HandleScope&) = delete;

 private:
  Js js_;
  napi_handle_scope scope_ = nullptr;
};

}  // namespace retort

#pragma GCC poison napi_create_double napi_get_boolean napi_create_string_utf8 napi_create_object napi_create_array
#pragma GCC poison napi_get_undefined napi_create_function napi_create_external napi_create_arraybuffer \
    napi_create_typedarray
#pragma GCC poison napi_set_named_property napi_set_element napi_get_value_double napi_get_value_bool
#pragma GCC poison napi_get_value_string_utf8 napi_get_value_bigint_uint64 napi_get_typedarray_info \
    napi_get_arraybuffer_info
#pragma GCC poison napi_create_reference napi_get_reference_value napi_delete_reference napi_call_function \
    napi_get_cb_info
#pragma GCC poison napi_set_instance_data napi_get_instance_data napi_add_env_cleanup_hook napi_is_exception_pending
#pragma GCC poison napi_throw_error napi_throw napi_adjust_external_memory napi_open_handle_scope \
    napi_close_handle_scope
#pragma GCC poison napi_create_int32 napi_create_int64 napi_create_uint32 napi_create_error napi_get_global \
    napi_get_null
#pragma GCC poison napi_get_named_property napi_get_property napi_get_element napi_wrap napi_unwrap napi_typeof
