#pragma once

#include <c10/util/Exception.h>

#include <exception>
#include <string>

namespace emend {

// The first line of the message of an exception, which may be one of LibTorch, without its stack
// trace.
inline std::string exception_message(const std::exception& error) {
  const auto* torch_error = dynamic_cast<const c10::Error*>(&error);
  const std::string what = torch_error ? torch_error->what_without_backtrace() : error.what();
  return what.substr(0, what.find('\n'));
}

}  // namespace emend
