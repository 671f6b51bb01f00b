#include "serving/api_error.h"

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

std::string problem_of(const Error& error) {
  const auto text = without_places(error.what());
  return text.substr(0, text.find(" Hint: "));
}

}  // namespace emend
