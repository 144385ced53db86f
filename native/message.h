// What went wrong, in one line: libtorch's exceptions without their C++ backtraces.
#pragma once

#include <c10/util/Exception.h>

#include <new>
#include <string>

namespace retort {

// Drops what libtorch adds for its own developers: the C++ stack, the file and line, "(function name)".
inline std::string without_internals(std::string text) {
  for (const char* marker : {"\nException raised from", "\nframe #", "\n\nException raised from"}) {
    const auto at = text.find(marker);
    if (at != std::string::npos) text.resize(at);
  }
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text.empty() ? "unknown error" : text;
}

template <typename Body>
std::string message_of(Body&& body) {
  try {
    body();
    return {};
  } catch (const c10::Error& error) {
    return without_internals(error.what_without_backtrace());
  } catch (const std::bad_alloc&) {
    return "out of memory";
  } catch (const std::exception& error) {
    return without_internals(error.what());
  } catch (...) {
    return "unknown C++ exception";
  }
}

}  // namespace retort
