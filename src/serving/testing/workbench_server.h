#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "io/error.h"
#include "io/files/file.h"
#include "io/json/json.h"
#include "io/testing.h"
#include "serving/api/workbench.h"
#include "serving/http_server.h"
#include "serving/testing/encode_base64.h"
#include "tests/tiny_vlm.h"

namespace emend::testing {

using nlohmann::json;

// A running server with a workbench.
class WorkbenchServer {
 public:
  // `workspace`: a folder; empty: none.
  WorkbenchServer(const Vlm& vlm, const std::string& workspace, ServerOptions served = {})
      : server_(with_defaults(std::move(served))),
        models_(vlm),
        engine_(vlm, models_),
        workbench_(vlm, models_, engine_,
                   {workspace.empty() ? nullptr : std::make_shared<Workspace>(workspace),
                    /*runs=*/"",
                    /*max_new_tokens=*/64,
                    {{"version", "test"}},
                    {"-m", "model"},
                    /*seed=*/0}),
        thread_([this, &vlm] {
          server_.run(vlm, models_, engine_,
                      [this](HttpRoutes& routes) { workbench_.add_routes(routes); });
        }) {}
  ~WorkbenchServer() {
    workbench_.stop();
    server_.stop();
    thread_.join();
  }

  httplib::Client client() const {
    httplib::Client client("127.0.0.1", server_.port());
    client.set_read_timeout(60);
    return client;
  }
  std::pair<int, json> get(const std::string& path) const { return read(client().Get(path)); }
  std::pair<int, json> post(const std::string& path, const json& body) const {
    return read(client().Post(path, body.dump(), "application/json"));
  }
  std::pair<int, json> put(const std::string& path, const json& body) const {
    return read(client().Put(path, body.dump(), "application/json"));
  }
  std::pair<int, json> remove(const std::string& path) const { return read(client().Delete(path)); }
  // Submits a job and returns it when it has ended.
  json ended(const std::string& path, const json& body) const {
    const auto [status, answer] = post(path, body);
    EXPECT_EQ(status, 202) << answer;
    return status == 202 ? wait(answer["job"]) : json();
  }
  json wait(const std::string& id) const {
    for (int i = 0; i < 6000; ++i) {
      auto job = get("/api/jobs/" + id).second;
      if (job["status"] != "waiting" && job["status"] != "running") return job;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return {{"status", "never ended"}};
  }
  void wait_until_running(const std::string& id) const {
    for (int i = 0; i < 6000; ++i) {
      const auto job = get("/api/jobs/" + id).second;
      if (job["status"] != "waiting" && !job["step"].is_null()) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    ADD_FAILURE() << "the job does not run";
  }
  std::pair<int, std::string> chat(const std::string& model) const {
    const auto [status, answer] =
        post("/v1/chat/completions",
             {{"model", model}, {"messages", {{{"role", "user"}, {"content", "What is this?"}}}}});
    if (status != 200) return {status, answer.dump()};
    return {status, answer["choices"][0]["message"]["content"]};
  }
  int port() const { return server_.port(); }
  PatchLibrary& library() { return workbench_.library(); }

 private:
  static std::pair<int, json> read(const httplib::Result& response) {
    if (!response) return {0, {}};
    return {response->status, json::parse(response->body, nullptr, false)};
  }
  static ServerOptions with_defaults(ServerOptions options) {
    options.port = 0;
    options.question_template = "Question: {} Short answer:";
    options.limits.default_new_tokens = 6;
    options.max_body_bytes = 1 << 20;
    return options;
  }

  HttpServer server_;
  ModelNames models_;
  Engine engine_;
  Workbench workbench_;
  std::thread thread_;
};

// The events of a stream: name and data.
inline std::vector<std::pair<std::string, json>> events_of(const std::string& stream) {
  std::vector<std::pair<std::string, json>> events;
  std::istringstream lines(stream);
  std::string name;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("event: ")) name = line.substr(7);
    if (line.starts_with("data: "))
      events.emplace_back(name, json::parse(line.substr(6), nullptr, false));
  }
  return events;
}

// A server with the tiny BLIP-2 and a workspace.
class WorkbenchTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    model_ = std::make_unique<TemporaryFolder>();
    write_tiny_vlm(model_->file("model"), 0);
    write_png(model_->file("picture.png"), *noise_image(1));
    vlm_ = std::make_unique<Vlm>(load_vlm(model_->file("model")));
  }
  static void TearDownTestSuite() {
    vlm_.reset();
    model_.reset();
  }
  void SetUp() override { server_ = std::make_unique<WorkbenchServer>(*vlm_, workspace()); }

  std::string workspace() const { return folder_.file("work"); }
  void restart() {
    server_.reset();
    server_ = std::make_unique<WorkbenchServer>(*vlm_, workspace());
  }
  static std::string picture() {
    return "data:image/png;base64," + encode_base64(read_file(model_->file("picture.png")));
  }
  // An edit that holds after a few steps.
  static json edit(const std::string& name = "cat") {
    return {{"prompt", "What is this?"},
            {"target", "cat"},
            {"name", name},
            {"probes", 1},
            {"editor", "ft"},
            {"settings", {{"lr", 0.02}, {"steps", 200}}}};
  }
  // An edit that runs until it is cancelled.
  static json endless(const std::string& name = "endless") {
    auto body = edit(name);
    body["settings"] = {{"lr", 1e-9}, {"steps", 10000}, {"adaptive", false}};
    return body;
  }
  json ask(json more = json::object()) const {
    more["prompt"] = "What is this?";
    more["max_new_tokens"] = 6;
    const auto [status, answer] = server_->post("/api/ask", more);
    EXPECT_EQ(status, 200) << answer;
    return answer;
  }
  static void expect_refused(const std::pair<int, json>& answer, int status,
                             const std::string& said) {
    EXPECT_EQ(answer.first, status) << answer.second;
    EXPECT_THAT(answer.second["error"].value("message", ""), ::testing::HasSubstr(said));
  }
  static json with(json body, const char* field, json value) {
    body[field] = std::move(value);
    return body;
  }
  std::vector<std::string> patch_names() const {
    std::vector<std::string> names;
    const auto list = server_->get("/api/patches").second;
    for (const auto& patch : list["patches"]) names.push_back(patch["name"]);
    return names;
  }

  inline static std::unique_ptr<TemporaryFolder> model_;
  inline static std::unique_ptr<Vlm> vlm_;
  TemporaryFolder folder_;
  std::unique_ptr<WorkbenchServer> server_;
};

}  // namespace emend::testing
