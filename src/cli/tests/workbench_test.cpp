// Runs the workbench of `emend serve` as a user does, and kills it.
#include <httplib.h>

#include <csignal>
#include <filesystem>
#include <utility>

#include "cli/testing/program.h"

namespace emend {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class WorkbenchProgramTest : public ProgramTest {
 protected:
  void TearDown() override {
    if (server_ > 0) kill_server(SIGKILL);
    ProgramTest::TearDown();
  }
  void start() {
    std::filesystem::remove(path("server.out"));  // of an earlier server
    server_ =
        testing::start_program(testing::words_of("serve -m " + path("model") + " --workspace " +
                                                 path("work") + " --port 0 -t 1"),
                               path("server.out"), path("server.err"));
    ASSERT_TRUE(testing::wait_for_lines(server_, path("server.out"), 3))
        << read_file(path("server.err"));
    const auto printed = read_file(path("server.out"));
    port_ = std::stoi(printed.substr(printed.find("127.0.0.1:") + 10));
  }
  int kill_server(int signal) {
    ::kill(server_, signal);
    return testing::wait_for(std::exchange(server_, 0));
  }
  json get(const std::string& path) const {
    httplib::Client client("127.0.0.1", port_);
    const auto response = client.Get(path);
    return response ? json::parse(response->body, nullptr, false) : json();
  }
  json post(const std::string& path, const json& body) const {
    httplib::Client client("127.0.0.1", port_);
    client.set_read_timeout(60);
    const auto response = client.Post(path, body.dump(), "application/json");
    return response ? json::parse(response->body, nullptr, false) : json();
  }
  // Waits until `done` is true for the job.
  template <class Done>
  json wait_for_job(const std::string& id, Done done) const {
    for (int i = 0; i < 12000; ++i) {
      auto job = get("/api/jobs/" + id);
      if (done(job)) return job;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    ADD_FAILURE() << "the job " << id << " takes too long";
    return {};
  }

  pid_t server_ = 0;
  int port_ = 0;
};

TEST_F(WorkbenchProgramTest, AKilledServerKeepsItsEdits) {
  start();
  json edit = {{"prompt", "What's this?"},
               {"target", "cat"},
               {"probes", 2},
               {"settings", {{"lr", 0.02}, {"steps", 200}}}};
  const auto job = wait_for_job(post("/api/edits", edit)["job"],
                                [](const json& job) { return job["status"] == "done"; });
  EXPECT_EQ(job["result"]["active"], true);
  const auto answer = post("/api/ask", {{"prompt", "What's this?"}});
  EXPECT_EQ(answer["answer"], "cat");

  // The command makes the same patch.
  std::string command = job["result"]["command"];
  ASSERT_THAT(command, ::testing::EndsWith(" -o cat.patch"));
  command.replace(command.rfind("cat.patch"), std::string::npos, path("cli.patch"));
  const auto made = run_json(command.substr(std::string("emend ").size()));
  EXPECT_EQ(made["patch"]["id"], job["result"]["report"]["patch"]["id"]);
  EXPECT_EQ(made["metrics"], job["result"]["report"]["metrics"]);

  edit["target"] = "dog";
  edit["settings"] = {{"lr", 1e-9}, {"steps", 10000}, {"adaptive", false}};
  const std::string running = post("/api/edits", edit)["job"];
  wait_for_job(running, [](const json& job) { return job["step"].is_number(); });
  EXPECT_EQ(kill_server(SIGKILL), 128 + SIGKILL);

  start();
  EXPECT_EQ(get("/api/patches")["stack"], json({"cat"}));
  EXPECT_EQ(get("/api/jobs/" + running)["status"], "failed");
  EXPECT_EQ(get("/api/jobs/" + running)["error"], "the server was stopped");
  EXPECT_EQ(get("/api/jobs/" + job["id"].get<std::string>()), job);
  EXPECT_EQ(post("/api/ask", {{"prompt", "What's this?"}})["logits"], answer["logits"]);
  EXPECT_EQ(kill_server(SIGTERM), 0);
  EXPECT_THAT(run("serve -m {}/model --workspace {}/model/config.json --port 0").err,
              HasSubstr("config.json"));
}

}  // namespace
}  // namespace emend
