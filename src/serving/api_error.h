#pragma once

#include <nlohmann/json_fwd.hpp>
#include <stdexcept>
#include <string>

#include "io/error.h"

namespace emend {

// An error of a request: an HTTP status and the fields of OpenAI's error object.
struct ApiError : std::runtime_error {
  ApiError(int status, std::string type, const std::string& message, std::string param = {})
      : std::runtime_error(message),
        status(status),
        type(std::move(type)),
        param(std::move(param)) {}

  // {"error": {"message", "type", "param", "code"}}
  nlohmann::json json() const;

  int status;
  std::string type;   // invalid_request_error, authentication_error, not_found_error, ...
  std::string param;  // the field of the request; empty: none
};

// Status 400.
[[noreturn]] void refuse_request(const std::string& param, const std::string& message);
// The same for data of the request that a reader of files refuses.
[[noreturn]] void refuse_data(const std::string& param, const Error& error);
// Status 503: the server is stopping, or too many of `what` ("requests") are waiting.
[[noreturn]] void refuse_busy(bool stopping, const char* what);
// The text of an error for clients, without places and without its hint, which is about files.
std::string problem_of(const Error& error);

}  // namespace emend
