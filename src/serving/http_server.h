#pragma once

#include <functional>
#include <memory>
#include <string>

#include "serving/engine.h"

namespace emend {

class HttpRoutes;

// The address of a server and its limits.
struct ServerOptions {
  std::string host = "127.0.0.1";
  int port = 8080;    // 0: any free port
  std::string token;  // clients send it as `Authorization: Bearer TOKEN`; empty: none
  size_t max_body_bytes = 32 << 20;
  int connections = 128;          // that are served at the same time
  std::string question_template;  // for models without a chat template; `{}` is the question
  ChatLimits limits;
};

// Serves the chat API of OpenAI: POST /v1/chat/completions, GET /v1/models, and GET /health and
// /metrics (in Prometheus' text format). Errors have OpenAI's JSON.
class HttpServer {
 public:
  // Binds the port, before the model is loaded: clients that connect now wait for `run`. Throws
  // emend::Error if the port is taken, or if other machines could connect without a token.
  explicit HttpServer(ServerOptions options);
  ~HttpServer();

  int port() const;
  // Serves until `stop` is called. `add_routes` adds other routes.
  void run(const Vlm& vlm, ModelNames& models, Engine& engine,
           const std::function<void(HttpRoutes&)>& add_routes = {});
  void stop();               // from another thread; running requests are finished
  int64_t requests() const;  // that were answered

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace emend
