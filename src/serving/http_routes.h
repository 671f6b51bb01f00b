#pragma once

#include <httplib.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <regex>
#include <string>
#include <vector>

#include "serving/api_error.h"

namespace emend {

// The routes of a server. Every handler runs guarded: the request is checked first, and exceptions
// become errors in OpenAI's JSON.
class HttpRoutes {
 public:
  using Request = httplib::Request;
  using Response = httplib::Response;
  using Handler = std::function<void(const Request&, Response&)>;

  // `check` throws ApiError if a client may not use the server; `with_token`: only with the token.
  HttpRoutes(httplib::Server& server, std::function<void(const Request&, bool with_token)> check)
      : server_(server), check_(std::move(check)) {}

  // `pattern` is a regular expression of the whole path. `with_token` false: for pages, which
  // contain nothing of the model.
  void get(const std::string& pattern, Handler handler, bool with_token = true);
  void post(const std::string& pattern, Handler handler);
  void put(const std::string& pattern, Handler handler);
  void remove(const std::string& pattern, Handler handler);  // DELETE

  // The methods of the routes of a path, separated by commas, as the header Allow lists them. Empty
  // if the path has no route.
  std::string allowed_methods(const std::string& path) const;

 private:
  struct Route {
    std::string method;
    std::regex pattern;
  };

  httplib::Server::Handler guarded(Handler handler, bool with_token = true) const;

  httplib::Server& server_;
  std::function<void(const Request&, bool)> check_;
  std::vector<Route> routes_;
};

// The body of a request. Throws ApiError unless its type and content are JSON.
nlohmann::json body_json(const httplib::Request& request);
// Bytes of a text that are not UTF-8 are replaced.
std::string json_text(const nlohmann::json& value);
void send_json(httplib::Response& response, const nlohmann::json& value, int status = 200);
void send_error(httplib::Response& response, const ApiError& error);

}  // namespace emend
