// Small helpers over raw Node-API: reading arguments, throwing, and the guard that keeps every C++ exception inside.
#pragma once

#include <node_api.h>

#include <cstdint>
#include <exception>
#include <stdexcept>
#include <string>

namespace retort {

// The arguments of a callback; missing ones are `undefined`.
template <size_t N>
struct Args {
  napi_env env;
  napi_value values[N];

  Args(napi_env environment, napi_callback_info info) : env(environment) {
    size_t count = N;
    napi_get_cb_info(env, info, &count, values, nullptr, nullptr);
  }

  double number(size_t i) const {
    double out = 0;
    if (napi_get_value_double(env, values[i], &out) != napi_ok) throw std::invalid_argument("a number was expected");
    return out;
  }
  int64_t integer(size_t i) const { return static_cast<int64_t>(number(i)); }
  bool boolean(size_t i) const {
    bool out = false;
    if (napi_get_value_bool(env, values[i], &out) != napi_ok) throw std::invalid_argument("a boolean was expected");
    return out;
  }
  std::string string(size_t i) const {
    size_t length = 0;
    if (napi_get_value_string_utf8(env, values[i], nullptr, 0, &length) != napi_ok) {
      throw std::invalid_argument("a string was expected");
    }
    std::string out(length, '\0');
    napi_get_value_string_utf8(env, values[i], out.data(), length + 1, &length);
    return out;
  }
};

inline napi_value make_number(napi_env env, double value) {
  napi_value out;
  napi_create_double(env, value, &out);
  return out;
}

inline napi_value make_boolean(napi_env env, bool value) {
  napi_value out;
  napi_get_boolean(env, value, &out);
  return out;
}

inline napi_value make_string(napi_env env, const std::string& value) {
  napi_value out;
  napi_create_string_utf8(env, value.data(), value.size(), &out);
  return out;
}

inline napi_value make_object(napi_env env) {
  napi_value out;
  napi_create_object(env, &out);
  return out;
}

inline napi_value make_array(napi_env env) {
  napi_value out;
  napi_create_array(env, &out);
  return out;
}

inline void set(napi_env env, napi_value object, const char* name, napi_value value) {
  napi_set_named_property(env, object, name, value);
}

// Runs `body`, turning any C++ exception into a message; empty when all went well.
template <typename Body>
std::string message_of(Body&& body);

// A callback in which a C++ exception becomes a JavaScript exception.
template <napi_value (*Function)(napi_env, napi_callback_info)>
napi_value guarded(napi_env env, napi_callback_info info) {
  napi_value result = nullptr;
  const std::string error = message_of([&] { result = Function(env, info); });
  if (!error.empty()) {
    bool pending = false;
    napi_is_exception_pending(env, &pending);
    if (!pending) napi_throw_error(env, "RETORT_ENGINE", error.c_str());
    return nullptr;
  }
  return result;
}

}  // namespace retort

#include "message.h"
