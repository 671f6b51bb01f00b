#include "serving/http_server.h"

#include <fmt/format.h>
#include <httplib.h>
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "io/error.h"
#include "io/log.h"
#include "io/runtime.h"
#include "serving/api_error.h"
#include "serving/http_routes.h"

namespace emend {
namespace {

using nlohmann::json;

constexpr const char* kServerPlace = "serving::http";
constexpr const char* kJson = "application/json";
constexpr const char* kTooLarge = "the body is too large";
constexpr int kConnectionQueue = 1024;  // connections that wait to be accepted
// A client that sends nothing for this time in the middle of a request is disconnected, because its
// connection occupies a thread. In seconds.
constexpr time_t kReadTimeout = 5;

bool is_loopback(const std::string& host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

// Compares in a time that does not depend on where the texts differ.
bool equal_secrets(const std::string& a, const std::string& b) {
  unsigned difference = a.size() != b.size();
  for (size_t i = 0; i < a.size(); ++i)
    difference |= static_cast<unsigned char>(a[i]) ^
                  static_cast<unsigned char>(b.empty() ? 0 : b[i % b.size()]);
  return difference == 0;
}

// A path for the log, on one line: control characters are replaced, because the client chose them.
std::string logged_path(const std::string& path) {
  auto text = path.substr(0, 200);
  for (auto& byte : text)
    if (static_cast<unsigned char>(byte) < 0x20 || byte == 0x7f) byte = '?';
  return text;
}

std::string hexadecimal(const std::string& bytes) {
  std::string text;
  for (const unsigned char byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

// The workbench's frames and downloads have no headers. They send the token as a cookie that only
// requests of the page itself have (SameSite=Strict), as hexadecimal digits.
std::string token_cookie(const httplib::Request& request) {
  const auto cookies = "; " + request.get_header_value("Cookie");
  const std::string name = "; emend_token=";
  const auto begin = cookies.find(name);
  if (begin == std::string::npos) return {};
  const auto value = begin + name.size();
  return cookies.substr(value, cookies.find(';', value) - value);
}

// What is wrong with the length of the request's body; none: nothing. The library would wait for
// bytes that a client does not send.
std::optional<ApiError> body_length_error(const httplib::Request& request) {
  const char* type = "invalid_request_error";
  const bool needs_body =
      request.method == "POST" || request.method == "PUT" || request.method == "PATCH";
  if (!request.has_header("Content-Length")) {
    if (!needs_body || request.has_header("Transfer-Encoding")) return {};
    return ApiError(411, type, "the header Content-Length is missing");
  }
  constexpr size_t kMostDigits = 18;  // of a number that the library reads
  const auto length = request.get_header_value("Content-Length");
  if (request.get_header_value_count("Content-Length") > 1 || length.empty() ||
      length.find_first_not_of("0123456789") != std::string::npos)
    return ApiError(400, type, "the header Content-Length must be one whole number");
  if (length.size() > kMostDigits) return ApiError(413, type, kTooLarge);
  return {};
}

// Answers with an error and closes the connection, so that a body that was not read is not taken
// for the next request.
void refuse_unread(httplib::Response& response, const ApiError& error) {
  response.status = error.status;
  response.set_header("Connection", "close");
  const auto text = json_text(error.json());
  response.set_content_provider(text.size(), kJson,
                                [text](size_t, size_t, httplib::DataSink& sink) {
                                  sink.write(text.data(), text.size());
                                  return false;  // closes the connection
                                });
}

int64_t now() { return static_cast<int64_t>(std::time(nullptr)); }

const char* openai_finish_reason(const ChatAnswer& answer) {
  return answer.complete ? "stop" : "length";
}

json usage(const ChatAnswer& answer) {
  return {{"prompt_tokens", answer.prompt_tokens},
          {"completion_tokens", answer.completion_tokens},
          {"total_tokens", answer.prompt_tokens + answer.completion_tokens}};
}

}  // namespace

struct HttpServer::State {
  explicit State(ServerOptions served) : options(std::move(served)) {}

  std::atomic<bool> running = false, stopped = false;

  std::string next_id() { return fmt::format("chatcmpl-{:x}-{}", begin, ++answers); }

  json chunk(const std::string& id, const std::string& model, json delta, json reason) const {
    return {{"id", id},
            {"object", "chat.completion.chunk"},
            {"created", now()},
            {"model", model},
            {"choices",
             {{{"index", 0}, {"delta", std::move(delta)}, {"finish_reason", std::move(reason)}}}}};
  }

  void check_authorized(const httplib::Request& request, bool with_token) const {
    if (with_token && !options.token.empty() &&
        !equal_secrets(request.get_header_value("Authorization"), "Bearer " + options.token) &&
        !(request.method == "GET" && request.path.starts_with("/api/") &&
          equal_secrets(token_cookie(request), hexadecimal(options.token))))
      throw ApiError(401, "authentication_error",
                     "the token is missing or wrong; send 'Authorization: Bearer TOKEN'");
    // A page of another site whose name leads to this machine must not reach the server.
    auto host = request.get_header_value("Host");
    if (const auto colon = host.rfind(':'); colon != std::string::npos && !host.ends_with("]"))
      host.resize(colon);
    if (options.token.empty() && !host.empty() && host != "[::1]" && !is_loopback(host))
      throw ApiError(403, "permission_error",
                     fmt::format("requests to the host '{}' need a token", host.substr(0, 100)));
  }

  void complete(const httplib::Request& http, httplib::Response& response) {
    const auto body = body_json(http);
    auto request = parse_chat_request(body, *vlm, options.question_template, options.limits);
    models->find(request.model);  // an unknown name is an error before a stream begins
    const auto id = next_id();
    if (request.stream) return stream(id, std::move(request), response);
    const auto model = request.model;
    const auto answer = engine->answer(std::move(request));
    response.set_content(json{{"id", id},
                              {"object", "chat.completion"},
                              {"created", now()},
                              {"model", model},
                              {"choices",
                               {{{"index", 0},
                                 {"message", {{"role", "assistant"}, {"content", answer.text}}},
                                 {"finish_reason", openai_finish_reason(answer)}}}},
                              {"usage", usage(answer)}}
                             .dump(),
                         kJson);
  }

  // Sends the pieces as server-sent events. An error after the first piece is an event, because the
  // status was sent.
  void stream(const std::string& id, ChatRequest request, httplib::Response& response) {
    response.set_chunked_content_provider(
        "text/event-stream",
        [this, id, request = std::move(request)](size_t, httplib::DataSink& sink) mutable {
          const auto send = [&](const std::string& data) {
            const auto event = "data: " + data + "\n\n";
            return sink.write(event.data(), event.size());
          };
          const auto model = request.model;
          const bool with_usage = request.include_usage;
          try {
            send(chunk(id, model, {{"role", "assistant"}, {"content", ""}}, nullptr).dump());
            const auto answer = engine->answer(std::move(request), [&](const std::string& piece) {
              return send(chunk(id, model, {{"content", piece}}, nullptr).dump());
            });
            send(chunk(id, model, json::object(), openai_finish_reason(answer)).dump());
            if (with_usage) {
              auto last = chunk(id, model, json::object(), nullptr);
              last["choices"] = json::array();
              last["usage"] = usage(answer);
              send(last.dump());
            }
          } catch (const ApiError& error) {
            send(error.json().dump());
          }
          send("[DONE]");
          sink.done();
          return true;
        });
  }

  std::string metrics() const {
    const auto counts = engine->counts();
    std::string text;
    const auto add = [&](const char* name, const char* kind, int64_t value, const char* help) {
      text += fmt::format("# HELP emend_{0} {1}\n# TYPE emend_{0} {2}\nemend_{0} {3}\n", name, help,
                          kind, value);
    };
    add("requests_total", "counter", counts.requests, "Finished requests.");
    add("requests_failed_total", "counter", counts.failed, "Requests that failed.");
    add("batches_total", "counter", counts.batches, "Batches that the model ran.");
    add("prompt_tokens_total", "counter", counts.prompt_tokens, "Tokens of prompts.");
    add("completion_tokens_total", "counter", counts.completion_tokens, "Generated tokens.");
    add("requests_waiting", "gauge", counts.waiting, "Requests that wait.");
    add("requests_running", "gauge", counts.running, "Requests that run.");
    add("resident_memory_bytes", "gauge", static_cast<int64_t>(resident_bytes()),
        "Resident memory of the process.");
    return text;
  }

  json model_json(const std::string& name) const {
    return {{"id", name}, {"object", "model"}, {"created", begin}, {"owned_by", "emend"}};
  }

  void route(const std::function<void(HttpRoutes&)>& add_routes) {
    server.Get("/health", [](const httplib::Request&, httplib::Response& response) {
      response.set_content(R"({"status": "ok"})", kJson);
    });
    routes.get("/metrics", [this](const auto&, auto& response) {
      response.set_content(metrics(), "text/plain; version=0.0.4");
    });
    routes.get("/v1/models", [this](const auto&, auto& response) {
      auto data = json::array();
      for (const auto& name : models->list()) data.push_back(model_json(name));
      send_json(response, {{"object", "list"}, {"data", data}});
    });
    routes.get(R"(/v1/models/(.+))", [this](const auto& request, auto& response) {
      const std::string name = request.matches[1];
      models->find(name);
      send_json(response, model_json(name));
    });
    routes.post("/v1/chat/completions",
                [this](const auto& request, auto& response) { complete(request, response); });
    if (add_routes) add_routes(routes);
    server.set_pre_routing_handler([](const httplib::Request& request,
                                      httplib::Response& response) {
      const auto error = body_length_error(request);
      if (!error) return httplib::Server::HandlerResponse::Unhandled;
      refuse_unread(response, *error);
      return httplib::Server::HandlerResponse::Handled;
    });
    // For statuses that the library sets itself: no route, a body that is too large, ...
    server.set_error_handler([this](const httplib::Request& request, httplib::Response& response) {
      if (!response.body.empty() || response.has_header("Connection")) return;
      if (const auto methods = routes.allowed_methods(request.path);
          response.status == 404 && !methods.empty()) {
        response.set_header("Allow", methods);
        return send_error(response,
                          ApiError(405, "invalid_request_error",
                                   fmt::format("{} does not accept {}, only {}",
                                               request.path.substr(0, 200), request.method, methods)));
      }
      const auto message =
          response.status == 413 ? std::string(kTooLarge)
          : response.status == 404
              ? fmt::format("there is no {} {}", request.method, request.path.substr(0, 200))
              : fmt::format("the request is malformed ({})", response.status);
      send_error(response, ApiError(response.status, "invalid_request_error", message));
    });
    server.set_logger([this](const httplib::Request& request, const httplib::Response& response) {
      ++requests;
      logger().info("{} {} {} {}", request.remote_addr, request.method, logged_path(request.path),
                    response.status);
    });
  }

  const Vlm* vlm = nullptr;
  ModelNames* models = nullptr;
  Engine* engine = nullptr;
  ServerOptions options;
  httplib::Server server;
  HttpRoutes routes{server, [this](const httplib::Request& request, bool with_token) {
                      check_authorized(request, with_token);
                    }};
  socket_t listener = INVALID_SOCKET;
  int port = 0;
  const int64_t begin = now();
  std::atomic<int64_t> answers = 0, requests = 0;
};

HttpServer::HttpServer(ServerOptions options)
    : state_(std::make_unique<State>(std::move(options))) {
  auto& server = state_->server;
  const auto& served = state_->options;
  if (!is_loopback(served.host) && served.token.empty())
    throw Error(
        kServerPlace,
        fmt::format("other machines could use the server at '{}' without a token", served.host),
        "set a token (--token-file), or use --host 127.0.0.1");
  // Without SO_REUSEPORT, which is the library's default, so that no other program can take a share
  // of the connections.
  server.set_socket_options([state = state_.get()](socket_t socket) {
    const int yes = 1;
    ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    state->listener = socket;
  });
  server.set_payload_max_length(served.max_body_bytes);
  server.set_read_timeout(kReadTimeout);
  server.set_write_timeout(30);
  server.set_keep_alive_max_count(100);
  server.new_task_queue = [count = served.connections] {
    return new httplib::ThreadPool(static_cast<size_t>(count));
  };
  state_->port = served.port == 0 ? server.bind_to_any_port(served.host.c_str())
                 : server.bind_to_port(served.host.c_str(), served.port) ? served.port
                                                                         : -1;
  if (state_->port < 0)
    throw Error(kServerPlace,
                fmt::format("port {} of '{}' cannot be used", served.port, served.host),
                "another program may use it; choose another --port");
  // The library, which is compiled separately, lets 5 connections wait; the system resets others.
  ::listen(state_->listener, kConnectionQueue);
}

HttpServer::~HttpServer() = default;

int HttpServer::port() const { return state_->port; }

void HttpServer::run(const Vlm& vlm, ModelNames& models, Engine& engine,
                     const std::function<void(HttpRoutes&)>& add_routes) {
  state_->vlm = &vlm;
  state_->models = &models;
  state_->engine = &engine;
  state_->route(add_routes);
  state_->running = true;
  if (!state_->stopped) state_->server.listen_after_bind();
  state_->running = false;
}

void HttpServer::stop() {
  state_->stopped = true;
  // The library ignores a stop before it listens.
  while (state_->running && !state_->server.is_running())
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  state_->server.stop();
}

int64_t HttpServer::requests() const { return state_->requests; }

}  // namespace emend
