#include "serving/api_error.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace emend {

nlohmann::json ApiError::json() const {
  return {{"error",
           {{"message", what()},
            {"type", type},
            {"param", param.empty() ? nlohmann::json() : nlohmann::json(param)},
            {"code", nullptr}}}};
}

void refuse_request(const std::string& param, const std::string& message) {
  throw ApiError(400, "invalid_request_error", message, param);
}

void refuse_data(const std::string& param, const Error& error) {
  refuse_request(param, problem_of(error));
}

void refuse_busy(bool stopping, const char* what) {
  throw ApiError(503, "server_error",
                 stopping ? "the server is stopping"
                          : fmt::format("too many {} are waiting; try again later", what));
}

std::string problem_of(const Error& error) {
  return error_parts(error.what()).problem;
}

}  // namespace emend
