#include <atomic>

#include "serving/testing/workbench_server.h"

namespace emend {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class WorkbenchJobsTest : public testing::WorkbenchTest {};

TEST_F(WorkbenchJobsTest, ClientsAreServedWhileAnEditRuns) {
  const auto quiet = server_->chat("base").second;
  const auto before = ask();
  const std::string id = server_->post("/api/edits", endless()).second["job"];
  const std::string next = server_->post("/api/edits", edit("next")).second["job"];
  server_->wait_until_running(id);
  std::atomic<int> right = 0;
  std::vector<std::thread> clients;
  for (int i = 0; i < 4; ++i)
    clients.emplace_back([&] { right += server_->chat("base").second == quiet; });
  for (auto& thread : clients) thread.join();
  EXPECT_EQ(right, 4);
  EXPECT_EQ(ask()["logits"], before["logits"]);
  EXPECT_EQ(server_->get("/api/jobs/" + id).second["status"], "running");
  EXPECT_EQ(server_->get("/api/jobs/" + next).second["status"], "waiting");
  expect_refused(server_->post("/api/edits", endless("next")), 409, "next");

  EXPECT_EQ(server_->remove("/api/jobs/" + next).second["status"], "cancelled");
  EXPECT_EQ(server_->remove("/api/jobs/" + id).first, 200);
  const auto job = server_->wait(id);
  EXPECT_EQ(job["status"], "cancelled");
  EXPECT_EQ(job["part"], "editing");
  EXPECT_GT(job["step"], 0);
  EXPECT_EQ(job["steps"], 10000);
  EXPECT_TRUE(job["loss"].is_number());
  expect_refused(server_->remove("/api/jobs/" + id), 409, "has ended");
  expect_refused(server_->remove("/api/jobs/999999"), 404, "no job");
  EXPECT_THAT(patch_names(), ElementsAre());
  // A cancelled job frees the name of its patch.
  EXPECT_EQ(server_->ended("/api/edits", edit("next"))["result"]["active"], true);
}

TEST_F(WorkbenchJobsTest, EventsFollowAJob) {
  const std::string id = server_->post("/api/edits", edit()).second["job"];
  const auto response = server_->client().Get("/api/jobs/" + id + "/events");
  ASSERT_EQ(response->status, 200);
  EXPECT_THAT(response->get_header_value("Content-Type"), HasSubstr("text/event-stream"));
  const auto events = testing::events_of(response->body);
  ASSERT_GE(events.size(), 2u);
  for (size_t i = 0; i + 1 < events.size(); ++i) {
    EXPECT_EQ(events[i].first, "progress");
    EXPECT_EQ(events[i].second.size(), 4u);
  }
  EXPECT_EQ(events.back().first, "done");
  EXPECT_EQ(events.back().second, server_->get("/api/jobs/" + id).second);
  // The events of an ended job are its end.
  EXPECT_EQ(testing::events_of(server_->client().Get("/api/jobs/" + id + "/events")->body).size(),
            1u);
  EXPECT_EQ(server_->client().Get("/api/jobs/none/events")->status, 404);
}

TEST_F(WorkbenchJobsTest, ARestartKeepsEverything) {
  server_->ended("/api/edits", edit("one"));
  server_->ended("/api/edits", with(edit("two"), "prompt", "Who is there?"));
  server_->put("/api/stack", {{"stack", {"two", "one"}}});
  const auto patches = server_->get("/api/patches").second;
  const auto jobs = server_->get("/api/jobs").second;
  const auto job = server_->get("/api/jobs/000001").second;
  const auto logits = ask()["logits"];
  ASSERT_EQ(patches["stack"], json({"two", "one"}));
  ASSERT_EQ(jobs["jobs"].size(), 2u);
  EXPECT_EQ(jobs["jobs"][0]["id"], "000002");
  EXPECT_FALSE(jobs["jobs"][0].contains("result"));
  restart();
  EXPECT_EQ(server_->get("/api/patches").second, patches);
  EXPECT_EQ(server_->get("/api/jobs").second, jobs);
  EXPECT_EQ(server_->get("/api/jobs/000001").second, job);
  EXPECT_EQ(ask()["logits"], logits);
}

TEST_F(WorkbenchJobsTest, AKilledServerListsItsJobsAndItsDamagedPatches) {
  server_->ended("/api/edits", edit("whole"));
  server_->ended("/api/edits", edit("half"));
  server_.reset();
  auto record = read_json(workspace() + "/jobs/000002.json");
  record["status"] = "running";
  record["result"] = nullptr;
  write_json(workspace() + "/jobs/000002.json", record);
  testing::write_text(workspace() + "/jobs/000001.json", "{\"id\": ");
  const auto bytes = read_file(workspace() + "/patches/half.patch");
  testing::write_text(workspace() + "/patches/half.patch", bytes.substr(0, bytes.size() / 2));
  server_ = std::make_unique<testing::WorkbenchServer>(*vlm_, workspace());
  const auto jobs = server_->get("/api/jobs").second["jobs"];
  ASSERT_EQ(jobs.size(), 1u);
  EXPECT_EQ(jobs[0]["status"], "failed");
  EXPECT_EQ(jobs[0]["error"], "the server was stopped");
  EXPECT_EQ(read_json(workspace() + "/jobs/000002.json")["status"], "failed");
  const auto list = server_->get("/api/patches").second;
  EXPECT_EQ(list["stack"], json({"whole"}));
  ASSERT_EQ(list["warnings"].size(), 1u);
  EXPECT_THAT(
      list["warnings"][0].get<std::string>(),
      AllOf(HasSubstr("'half' was active, but it cannot be used"), HasSubstr("half.patch")));
  expect_refused(server_->put("/api/stack", {{"stack", {"half"}}}), 400, "'half' cannot be used");
  expect_refused(server_->post("/api/ask", {{"prompt", "What?"}, {"patches", {"half"}}}), 400,
                 "'half' cannot be used");
  EXPECT_EQ(list["patches"][0]["name"], "half");
  EXPECT_TRUE(list["patches"][0].contains("problem"));
  EXPECT_EQ(list["patches"][0]["edits"], json::array());
  EXPECT_FALSE(list["patches"][1].contains("problem"));
  EXPECT_EQ(server_->chat("base+half").first, 404);
  EXPECT_EQ(server_->remove("/api/patches/half").first, 200);
  EXPECT_EQ(server_->ended("/api/edits", edit("new"))["id"], "000003");
}

TEST_F(WorkbenchJobsTest, AServerThatStopsEndsItsJobs) {
  const std::string id = server_->post("/api/edits", endless()).second["job"];
  server_->post("/api/edits", edit("waits"));
  server_->wait_until_running(id);
  std::string stream;
  std::thread reader([&, client = std::make_shared<httplib::Client>("127.0.0.1", server_->port())] {
    if (const auto response = client->Get("/api/jobs/" + id + "/events")) stream = response->body;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  restart();
  reader.join();
  ASSERT_FALSE(testing::events_of(stream).empty());
  EXPECT_EQ(testing::events_of(stream).back().first, "failed");
  const auto list = server_->get("/api/jobs").second;
  ASSERT_EQ(list["jobs"].size(), 2u);
  for (const auto& job : list["jobs"]) {
    EXPECT_EQ(job["status"], "failed");
    EXPECT_EQ(job["error"], "the server was stopped");
  }
  EXPECT_THAT(patch_names(), ElementsAre());
}

TEST_F(WorkbenchJobsTest, ADamagedStackIsKeptAndLeftOut) {
  server_->ended("/api/edits", edit());
  for (const std::string text : {"[1]", "{\"stack\": [1]}", "{"}) {
    server_.reset();
    testing::write_text(workspace() + "/stack.json", text);
    server_ = std::make_unique<testing::WorkbenchServer>(*vlm_, workspace());
    auto list = server_->get("/api/patches").second;
    EXPECT_EQ(list["stack"], json::array());
    ASSERT_EQ(list["warnings"].size(), 1u) << list;
    EXPECT_THAT(list["warnings"][0].get<std::string>(),
                AllOf(HasSubstr("is damaged, so that no patch is active"),
                      HasSubstr("stack.json.damaged"), Not(HasSubstr("Hint"))));
    EXPECT_EQ(server_->put("/api/stack", {{"stack", {"cat"}}}).second["stack"], json({"cat"}));
  }
  EXPECT_EQ(read_file(workspace() + "/stack.json.damaged"), "[1]");
  EXPECT_EQ(read_file(workspace() + "/stack.json.damaged-3"), "{");
  restart();
  EXPECT_EQ(server_->get("/api/patches").second["warnings"], json::array());
}

}  // namespace
}  // namespace emend
