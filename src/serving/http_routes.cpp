#include "serving/http_routes.h"

#include <fmt/ranges.h>

#include <set>

#include "io/error.h"
#include "io/json/json.h"
#include "io/log.h"

namespace emend {
namespace {

constexpr const char* kJsonType = "application/json";

}  // namespace

void HttpRoutes::get(const std::string& pattern, Handler handler, bool with_token) {
  routes_.push_back({"GET", std::regex(pattern)});
  server_.Get(pattern, guarded(std::move(handler), with_token));
}
void HttpRoutes::post(const std::string& pattern, Handler handler) {
  routes_.push_back({"POST", std::regex(pattern)});
  server_.Post(pattern, guarded(std::move(handler)));
}
void HttpRoutes::put(const std::string& pattern, Handler handler) {
  routes_.push_back({"PUT", std::regex(pattern)});
  server_.Put(pattern, guarded(std::move(handler)));
}
void HttpRoutes::remove(const std::string& pattern, Handler handler) {
  routes_.push_back({"DELETE", std::regex(pattern)});
  server_.Delete(pattern, guarded(std::move(handler)));
}

std::string HttpRoutes::allowed_methods(const std::string& path) const {
  std::set<std::string> methods;
  for (const auto& [method, pattern] : routes_) {
    if (!std::regex_match(path, pattern)) continue;
    methods.insert(method);
    if (method == "GET") methods.insert("HEAD");
  }
  return fmt::format("{}", fmt::join(methods, ", "));
}

httplib::Server::Handler HttpRoutes::guarded(Handler handler, bool with_token) const {
  return [check = check_, handler = std::move(handler), with_token](const Request& request,
                                                                    Response& response) {
    try {
      check(request, with_token);
      handler(request, response);
    } catch (const ApiError& error) {
      send_error(response, error);
    } catch (const Error& error) {
      logger().error("{} {}: {}", request.method, request.path, error.what());
      send_error(response, ApiError(500, "server_error", without_places(error.what())));
    } catch (const std::exception& error) {
      logger().error("{} {}: {}", request.method, request.path, error.what());
      send_error(response, ApiError(500, "server_error", "the server failed; see its log"));
    }
  };
}

nlohmann::json body_json(const httplib::Request& request) {
  if (!request.get_header_value("Content-Type").starts_with(kJsonType))
    throw ApiError(415, "invalid_request_error", "the Content-Type must be application/json");
  try {
    return parse_json(request.body, "the body");
  } catch (const Error& error) {
    refuse_data("", error);
  }
}

std::string json_text(const nlohmann::json& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void send_json(httplib::Response& response, const nlohmann::json& value, int status) {
  response.status = status;
  response.set_content(json_text(value), kJsonType);
}

void send_error(httplib::Response& response, const ApiError& error) {
  if (error.status == 503) response.set_header("Retry-After", "1");
  send_json(response, error.json(), error.status);
}

}  // namespace emend
