#include "serving/api/workbench.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "io/error.h"
#include "io/files/file.h"
#include "io/json/json.h"
#include "io/testing.h"
#include "serving/http_server.h"
#include "serving/testing/encode_base64.h"
#include "tests/example_run.h"
#include "tests/tiny_models.h"
#include "tests/tiny_vlm.h"

namespace emend {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::Not;
using ::testing::StartsWith;

// A running server with a workbench.
class Server {
 public:
  Server(const Vlm& vlm, const std::string& workspace, ServerOptions served = {},
         const std::string& runs = {})
      : models_(vlm),
        engine_(vlm, models_),
        workbench_(vlm, models_, engine_,
                   {workspace, runs, 64, {{"version", "test"}}, {"-m", "model"}, 0}),
        server_(vlm, models_, engine_, with_defaults(std::move(served)),
                [this](HttpRoutes& routes) { workbench_.add_routes(routes); }),
        thread_([this] { server_.run(); }) {}
  ~Server() {
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

  ModelNames models_;
  Engine engine_;
  Workbench workbench_;
  HttpServer server_;
  std::thread thread_;
};

// The events of a stream: name and data.
std::vector<std::pair<std::string, json>> events_of(const std::string& stream) {
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

class WorkbenchTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    model_ = std::make_unique<TemporaryFolder>();
    testing::write_tiny_vlm(model_->file("model"), 0);
    write_png(model_->file("picture.png"), *testing::noise_image(1));
    vlm_ = std::make_unique<Vlm>(load_vlm(model_->file("model")));
  }
  static void TearDownTestSuite() {
    vlm_.reset();
    model_.reset();
  }
  void SetUp() override { server_ = std::make_unique<Server>(*vlm_, workspace()); }

  std::string workspace() const { return folder_.file("work"); }
  void restart() {
    server_.reset();
    server_ = std::make_unique<Server>(*vlm_, workspace());
  }
  static std::string picture() {
    return "data:image/png;base64," +
           testing::encode_base64(read_file(model_->file("picture.png")));
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
  void expect_refused(const std::pair<int, json>& answer, int status, const std::string& said) {
    EXPECT_EQ(answer.first, status) << answer.second;
    EXPECT_THAT(answer.second["error"].value("message", ""), HasSubstr(said));
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
  std::unique_ptr<Server> server_;
};

TEST_F(WorkbenchTest, DescribesTheModelAndItsEditors) {
  const auto model = server_->get("/api/model").second;
  EXPECT_EQ(model["model"], vlm_->folder);
  EXPECT_EQ(model["base"], vlm_->fingerprint());
  EXPECT_EQ(model["architecture"], "Blip2ForConditionalGeneration");
  EXPECT_EQ(model["text_only"], false);
  EXPECT_EQ(model["workspace"], workspace());
  EXPECT_EQ(model["modules"], json({"language", "connector", "vision_tower"}));
  EXPECT_EQ(model["question_template"], "Question: {} Short answer:");
  EXPECT_EQ(model["examples"], json::array());
  EXPECT_EQ(model["editors"][0]["name"], "ft");
  EXPECT_EQ(model["editors"][0]["settings"][0].size(), 4u);
}

TEST_F(WorkbenchTest, AnswersHaveProbabilities) {
  const auto answer = ask({{"alternatives", 3}});
  GenerationOptions options;
  options.max_new_tokens = 6;
  const Query query{std::nullopt, "Question: What is this? Short answer:"};
  EXPECT_EQ(answer["answer"], generate(*vlm_, {query}, {}, options).at(0));
  EXPECT_EQ(answer["prompt"], query.text);
  EXPECT_GT(answer["seconds"], 0);
  const bool truncated = answer["truncated"];
  std::string text;
  ASSERT_FALSE(answer["tokens"].empty());
  for (const auto& token : answer["tokens"]) {
    text += token["text"].get<std::string>();
    ASSERT_EQ(token["alternatives"].size(), 3u);
    // Greedy: the token is the most probable one.
    EXPECT_NEAR(token["probability"], token["alternatives"][0]["probability"], 1e-5);
    EXPECT_GE(token["alternatives"][0]["probability"], token["alternatives"][1]["probability"]);
  }
  EXPECT_EQ(text, answer["answer"]);
  EXPECT_EQ(answer["tokens"].back().contains("end"), !truncated);

  // The probability of the first token by another way.
  const auto logits = teacher_force(*vlm_, {query}, {" x"}).at(0);
  const auto first = at::softmax(logits.logits[logits.answer_begin - 1], -1).max().item<float>();
  EXPECT_NEAR(answer["tokens"][0]["probability"], first, 1e-5);

  EXPECT_EQ(ask()["logits"], answer["logits"]);
  const auto seen = ask({{"image", picture()}});
  EXPECT_NE(seen["logits"], answer["logits"]);
  EXPECT_EQ(ask({{"image", picture()}})["logits"], seen["logits"]);
  EXPECT_EQ(ask({{"template", false}})["prompt"], "What is this?");
}

TEST_F(WorkbenchTest, AnEditIsServedAtOnceAndLeavesNothingBehind) {
  const auto before = ask();
  const auto chat_before = server_->chat("base").second;
  const auto job = server_->ended("/api/edits", edit());
  ASSERT_EQ(job["status"], "done") << job;
  const auto& result = job["result"];
  EXPECT_EQ(result["patch"], "cat");
  EXPECT_EQ(result["holds"], true);
  EXPECT_EQ(result["active"], true);
  EXPECT_EQ(result["report"]["after"], "cat");
  EXPECT_EQ(result["report"]["version"], "test");
  EXPECT_EQ(result["report"]["metrics"]["scores"]["reliability"]["score"], 1);
  EXPECT_EQ(result["command"],
            "emend edit -m model --prompt 'What is this?' --target cat --editor ft --set lr=0.02 "
            "--set steps=200 --probes 1 -o cat.patch");
  EXPECT_EQ(job["kind"], "edit");
  EXPECT_EQ(job["title"], "What is this? => cat");

  const auto list = server_->get("/api/patches").second;
  EXPECT_EQ(list["stack"], json({"cat"}));
  ASSERT_EQ(list["patches"].size(), 1u);
  const auto& patch = list["patches"][0];
  EXPECT_EQ(patch["id"], result["report"]["patch"]["id"]);
  EXPECT_EQ(patch["active"], true);
  EXPECT_EQ(patch["workspace"], true);
  EXPECT_EQ(patch["kind"], "weights");
  EXPECT_EQ(patch["module"], "language");
  EXPECT_EQ(
      patch["edits"],
      json({{{"prompt", "What is this?"}, {"target", "cat"}, {"image", false}, {"holds", true}}}));
  EXPECT_GT(patch["parameters"], 0);
  EXPECT_EQ(patch["bytes"], std::filesystem::file_size(workspace() + "/patches/cat.patch"));
  const auto whole = server_->get("/api/patches/cat").second;
  EXPECT_FALSE(whole["effect"]["losses"].empty());
  EXPECT_FALSE(whole["sites"].empty());

  EXPECT_EQ(server_->chat("base+cat").second, "cat");
  EXPECT_EQ(server_->chat("base").second, chat_before);
  const auto edited = ask();
  EXPECT_EQ(edited["answer"], "cat");
  EXPECT_NE(edited["logits"], before["logits"]);
  EXPECT_EQ(ask({{"patches", json::array()}})["logits"], before["logits"]);

  EXPECT_EQ(server_->put("/api/stack", {{"stack", json::array()}}).second["stack"], json::array());
  EXPECT_EQ(ask()["logits"], before["logits"]);
  EXPECT_EQ(ask({{"patches", {"cat"}}})["logits"], edited["logits"]);

  EXPECT_EQ(server_->remove("/api/patches/cat").second["patches"], json::array());
  EXPECT_FALSE(std::filesystem::exists(workspace() + "/patches/cat.patch"));
  EXPECT_EQ(server_->chat("base+cat").first, 404);
  expect_refused(server_->remove("/api/patches/cat"), 404, "no patch 'cat'");
  EXPECT_EQ(ask()["logits"], before["logits"]);
}

TEST_F(WorkbenchTest, EditsOfPicturesCanBeAskedAgain) {
  auto first = with(edit("first"), "image", picture());
  first["locality"] = {{{"prompt", "What color?"}, {"image", picture()}}, {{"prompt", "Who?"}}};
  first["consequences"] = {{{"prompt", "Is it a cat?"}, {"answer", "yes"}}};
  first["rephrasings"] = {"What can you see?"};
  const auto job = server_->ended("/api/edits", first);
  ASSERT_EQ(job["status"], "done") << job;
  EXPECT_EQ(job["request"].dump().find("base64"), std::string::npos);
  const std::string file = job["request"]["image"];
  EXPECT_EQ(read_file(file), read_file(model_->file("picture.png")));
  EXPECT_THAT(job["result"]["command"].get<std::string>(),
              AllOf(HasSubstr("--image " + file), HasSubstr("--locality-image ''"),
                    HasSubstr("--follows 'Is it a cat? => yes'"),
                    HasSubstr("--rephrase 'What can you see?'")));
  const auto second = server_->ended("/api/edits", with(edit("second"), "target", "dog"));
  ASSERT_EQ(second["status"], "done") << second;
  ASSERT_EQ(second["result"]["report"]["earlier_edits"].size(), 1u);
  const auto& earlier = second["result"]["report"]["earlier_edits"][0];
  EXPECT_EQ(earlier["image"], file);
  EXPECT_EQ(earlier["held"], true);
  EXPECT_THAT(second["result"]["command"].get<std::string>(),
              HasSubstr("--patch " + workspace() + "/patches/first.patch"));
  EXPECT_EQ(server_->get("/api/patches").second["stack"][0], "first");
}

TEST_F(WorkbenchTest, AnEditThatDoesNotHoldStaysInactive) {
  auto weak = edit();
  weak.erase("name");
  weak["settings"] = {{"lr", 1e-6}, {"steps", 1}};
  weak["target"] = "The Zoo!";
  const auto job = server_->ended("/api/edits", weak);
  ASSERT_EQ(job["status"], "done") << job;
  EXPECT_EQ(job["result"]["patch"], "the-zoo");
  EXPECT_EQ(job["result"]["holds"], false);
  EXPECT_EQ(job["result"]["active"], false);
  EXPECT_FALSE(job["result"]["report"]["failure"]["try"].empty());
  EXPECT_EQ(server_->get("/api/patches").second["stack"], json::array());
  EXPECT_EQ(server_->get("/api/patches/the-zoo").second["active"], false);
  // The next edit of the same target gets another name.
  EXPECT_EQ(server_->ended("/api/edits", weak)["result"]["patch"], "the-zoo-2");
  expect_refused(server_->post("/api/edits", edit("the-zoo")), 409, "the-zoo");
}

TEST_F(WorkbenchTest, ClientsAreServedWhileAnEditRuns) {
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

TEST_F(WorkbenchTest, EventsFollowAJob) {
  const std::string id = server_->post("/api/edits", edit()).second["job"];
  const auto response = server_->client().Get("/api/jobs/" + id + "/events");
  ASSERT_EQ(response->status, 200);
  EXPECT_THAT(response->get_header_value("Content-Type"), HasSubstr("text/event-stream"));
  const auto events = events_of(response->body);
  ASSERT_GE(events.size(), 2u);
  for (size_t i = 0; i + 1 < events.size(); ++i) {
    EXPECT_EQ(events[i].first, "progress");
    EXPECT_EQ(events[i].second.size(), 4u);
  }
  EXPECT_EQ(events.back().first, "done");
  EXPECT_EQ(events.back().second, server_->get("/api/jobs/" + id).second);
  // The events of an ended job are its end.
  EXPECT_EQ(events_of(server_->client().Get("/api/jobs/" + id + "/events")->body).size(), 1u);
  EXPECT_EQ(server_->client().Get("/api/jobs/none/events")->status, 404);
}

TEST_F(WorkbenchTest, ARestartKeepsEverything) {
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

TEST_F(WorkbenchTest, AKilledServerListsItsJobsAndItsDamagedPatches) {
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
  server_ = std::make_unique<Server>(*vlm_, workspace());
  const auto jobs = server_->get("/api/jobs").second["jobs"];
  ASSERT_EQ(jobs.size(), 1u);
  EXPECT_EQ(jobs[0]["status"], "failed");
  EXPECT_EQ(jobs[0]["error"], "the server was stopped");
  EXPECT_EQ(read_json(workspace() + "/jobs/000002.json")["status"], "failed");
  const auto list = server_->get("/api/patches").second;
  EXPECT_EQ(list["stack"], json({"whole"}));
  EXPECT_EQ(list["patches"][0]["name"], "half");
  EXPECT_TRUE(list["patches"][0].contains("problem"));
  EXPECT_EQ(list["patches"][0]["edits"], json::array());
  EXPECT_FALSE(list["patches"][1].contains("problem"));
  EXPECT_EQ(server_->chat("base+half").first, 404);
  EXPECT_EQ(server_->remove("/api/patches/half").first, 200);
  EXPECT_EQ(server_->ended("/api/edits", edit("new"))["id"], "000003");
}

TEST_F(WorkbenchTest, AServerThatStopsEndsItsJobs) {
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
  ASSERT_FALSE(events_of(stream).empty());
  EXPECT_EQ(events_of(stream).back().first, "failed");
  const auto list = server_->get("/api/jobs").second;
  ASSERT_EQ(list["jobs"].size(), 2u);
  for (const auto& job : list["jobs"]) {
    EXPECT_EQ(job["status"], "failed");
    EXPECT_EQ(job["error"], "the server was stopped");
  }
  EXPECT_THAT(patch_names(), ElementsAre());
}

TEST_F(WorkbenchTest, PatchesAreUploadedAndDownloaded) {
  server_->ended("/api/edits", edit());
  const auto file = server_->client().Get("/api/patches/cat/file");
  EXPECT_EQ(file->body, read_file(workspace() + "/patches/cat.patch"));
  EXPECT_THAT(file->get_header_value("Content-Disposition"), HasSubstr("cat.patch"));
  const auto data = testing::encode_base64(file->body);
  const auto [status, copy] = server_->post("/api/patches", {{"name", "copy"}, {"data", data}});
  EXPECT_EQ(status, 201) << copy;
  EXPECT_EQ(copy["id"], server_->get("/api/patches/cat").second["id"]);
  EXPECT_EQ(copy["active"], false);
  EXPECT_EQ(server_->chat("base+copy").second, "cat");
  expect_refused(server_->put("/api/stack", {{"stack", {"cat", "copy"}}}), 400, "twice");
  expect_refused(server_->post("/api/patches", {{"name", "copy"}, {"data", data}}), 409, "copy");
  expect_refused(server_->post("/api/patches", {{"name", "bad"}, {"data", "AAAA"}}), 400,
                 "the patch file");
  expect_refused(server_->post("/api/patches", {{"name", "bad"}, {"data", "@"}}), 400, "base64");
  EXPECT_THAT(patch_names(), ElementsAre("cat", "copy"));
  EXPECT_THAT(folder_.listing(), Not(HasSubstr("upload")));
}

TEST_F(WorkbenchTest, OtherPatchesAreServedButNotRemoved) {
  server_->ended("/api/edits", edit());
  std::filesystem::copy(workspace() + "/patches/cat.patch", folder_.file("given.patch"));
  server_->remove("/api/patches/cat");
  server_->library().add_file("given", folder_.file("given.patch"));
  EXPECT_EQ(server_->get("/api/patches/given").second["workspace"], false);
  EXPECT_EQ(server_->chat("base+given").second, "cat");
  expect_refused(server_->remove("/api/patches/given"), 403, "not in the workspace");
  EXPECT_THAT(error_of([&] { server_->library().add_file("given", folder_.file("given.patch")); }),
              HasSubstr("two patches"));
  // The workspace remembers the stack, but the next server has no such patch.
  EXPECT_EQ(server_->put("/api/stack", {{"stack", {"given"}}}).first, 200);
}

TEST_F(WorkbenchTest, ExportsAreWrittenIntoTheWorkspace) {
  server_->ended("/api/edits", edit());
  const auto job = server_->ended("/api/exports", {{"to", "hf"}, {"name", "edited"}});
  ASSERT_EQ(job["status"], "done") << job;
  EXPECT_EQ(job["result"]["path"], workspace() + "/exports/edited");
  EXPECT_THAT(job["result"]["files"].get<std::vector<std::string>>(),
              IsSupersetOf({"edited/config.json", "edited/model.safetensors"}));
  EXPECT_GT(job["result"]["facts"]["changed"], 0);
  const auto edited = load_vlm(workspace() + "/exports/edited");
  GenerationOptions options;
  options.max_new_tokens = 6;
  EXPECT_EQ(generate(edited, {{std::nullopt, "Question: What is this? Short answer:"}}, {}, options)
                .at(0),
            "cat");
  expect_refused(server_->post("/api/exports", {{"to", "hf"}, {"name", "edited"}}), 409, "edited");
  const auto patch = server_->ended("/api/exports", {{"to", "patch"}, {"name", "edited"}});
  EXPECT_EQ(patch["result"]["files"], json({"edited.patch"}));
  EXPECT_EQ(load_patch(workspace() + "/exports/edited.patch").deltas.size(),
            load_patch(workspace() + "/patches/cat.patch").deltas.size());
  expect_refused(server_->post("/api/exports", {{"to", "onnx"}, {"name", "x"}}), 400, "'to'");
  expect_refused(server_->post("/api/exports", {{"to", "hf"}, {"name", "x"}, {"patches", {"no"}}}),
                 400, "no patch 'no'");
  expect_refused(
      server_->post("/api/exports", {{"to", "hf"}, {"name", "x"}, {"patches", json::array()}}), 400,
      "nothing to export");
  expect_refused(
      server_->post("/api/exports",
                    {{"to", "peft"}, {"name", "x"}, {"options", {{"weights_dtype", "bf16"}}}}),
      400, "adapters are fp32");
}

TEST_F(WorkbenchTest, MemoriesAreListedAndCannotBecomeWeights) {
  auto memory = edit("memory");
  memory["editor"] = "ike";
  memory["settings"] = {{"k", 0}};
  const auto job = server_->ended("/api/edits", memory);
  ASSERT_EQ(job["status"], "done") << job;
  const auto patch = server_->get("/api/patches/memory").second;
  EXPECT_EQ(patch["kind"], "memory");
  EXPECT_EQ(patch["entries"].size(), 1u);
  const auto exported =
      server_->ended("/api/exports", {{"to", "hf"}, {"name", "x"}, {"patches", {"memory"}}});
  EXPECT_EQ(exported["status"], "failed");
  EXPECT_THAT(exported["error"].get<std::string>(), HasSubstr("memory"));
  EXPECT_FALSE(std::filesystem::exists(workspace() + "/exports/x"));
}

TEST_F(WorkbenchTest, TracesHaveFigures) {
  const json settings = {{"rows", 1}, {"grid", 2}, {"components", "residual"}};
  const auto job = server_->ended("/api/trace", {{"prompt", "What is this?"},
                                                 {"image", picture()},
                                                 {"subject", "this"},
                                                 {"settings", settings}});
  ASSERT_EQ(job["status"], "done") << job;
  const auto& result = job["result"];
  for (const char* corrupted : {"image", "text"})
    EXPECT_THAT(result["svg"][corrupted].get<std::string>(), StartsWith("<svg"));
  EXPECT_THAT(result["overlay"].get<std::string>(), StartsWith("data:image/png;base64,"));
  EXPECT_EQ(result["runs"].size(), 2u);
  EXPECT_EQ(result["settings"]["rows"], 1);
  EXPECT_THAT(result["command"].get<std::string>(),
              AllOf(StartsWith("emend trace -m model --image "), HasSubstr("--subject this")));
  expect_refused(server_->post("/api/trace", {{"prompt", "What?"}, {"subject", "star"}}), 400,
                 "'subject'");
  expect_refused(server_->post("/api/trace", {{"prompt", "What?"}, {"settings", {{"rows", 0}}}}),
                 400, "rows");
}

TEST_F(WorkbenchTest, RunsAreListedWithTheirReports) {
  const auto runs = workspace() + "/runs";
  testing::ExampleRun example;
  for (const char* name : {"/first", "/second"})
    example.write(runs + name, example.results(), example.lines());
  std::filesystem::create_directory(runs + "/broken");
  testing::write_text(runs + "/broken/results.json", "{}");
  const auto list = server_->get("/api/runs").second["runs"];
  ASSERT_EQ(list.size(), 3u);
  EXPECT_THAT(list[0]["problem"].get<std::string>(), HasSubstr("results.json"));
  EXPECT_EQ(list[1]["name"], "first");
  EXPECT_EQ(list[1]["suite"], "e-vqa");
  EXPECT_EQ(list[1]["protocol"], "mmedit-2024");
  EXPECT_EQ(list[1]["interrupted"], false);
  EXPECT_EQ(server_->get("/api/runs/first").second, read_json(runs + "/first/results.json"));
  const auto page = server_->client().Get("/api/runs/first/report");
  EXPECT_EQ(page->status, 200);
  EXPECT_THAT(page->get_header_value("Content-Type"), HasSubstr("text/html"));
  EXPECT_THAT(page->body, HasSubstr("e-vqa"));
  EXPECT_EQ(server_->client().Get("/api/runs/first/report?with=second")->status, 200);
  for (const char* path : {"/api/runs/none", "/api/runs/..", "/api/runs/none/report",
                           "/api/runs/first/report?with=../first"})
    EXPECT_EQ(server_->client().Get(path)->status, 404) << path;
  EXPECT_EQ(server_->client().Get("/api/runs/broken/report")->status, 400);
}

TEST_F(WorkbenchTest, BadRequestsNameTheField) {
  const auto refused = [&](json body, const std::string& said) {
    SCOPED_TRACE(body.dump().substr(0, 200));
    expect_refused(server_->post("/api/edits", body), 400, said);
  };
  refused(with(edit(), "mystery", 1), "'mystery' is unknown");
  refused(with(edit(), "prompt", " "), "'prompt'");
  refused(with(edit(), "prompt", 7), "'prompt'");
  refused(with(edit(), "prompt", std::string(30'000, 'x')), "'prompt' has 30000 bytes");
  refused(with(edit(), "target", nullptr), "'target'");
  refused(with(edit(), "editor", "magic"), "unknown editor 'magic'");
  refused(with(edit(), "editor", "ft,lora"), "unknown editor");
  refused(with(edit(), "module", "tail"), "tail");
  refused(with(edit(), "settings", {{"speed", 3}}), "speed");
  refused(with(edit(), "settings", {{"steps", "many"}}), "steps");
  refused(with(edit(), "settings", {{"a=b", 3}}), "a=b");
  refused(with(edit(), "settings", {{"steps", {{"x", 1}}}}), "'steps'");
  refused(with(edit(), "settings", "steps=3"), "'settings'");
  refused(with(edit(), "subject", "star"), "'subject'");
  refused(with(edit(), "rephrasings", "What?"), "'rephrasings'");
  refused(with(edit(), "rephrasings", {1}), "'rephrasings'");
  refused(with(edit(), "consequences", {{{"prompt", "What?"}}}), "'answer'");
  refused(with(edit(), "locality", {{{"question", "What?"}}}), "'question' is unknown");
  refused(with(edit(), "locality", {3}), "an element of 'locality' must be a JSON object");
  refused(with(edit(), "probes", -1), "'probes'");
  refused(with(edit(), "patches", {"none"}), "no patch 'none'");
  refused(with(edit(), "patches", {"../x"}), "not the name of a patch");
  refused(with(edit(), "name", "../x"), "'name'");
  refused(with(edit(), "name", ".x"), "'name'");
  refused(with(edit(), "name", std::string(101, 'x')), "'name'");
  refused(with(edit(), "image", "https://example.org/cat.png"), "only data URLs");
  refused(with(edit(), "image", "data:image/png;base64,AAAA"), "picture of the request");
  refused(with(edit(), "image", 3), "'image'");
  // A picture that claims more pixels than the limit.
  std::string giant = read_file(model_->file("picture.png"));
  giant.replace(16, 4, std::string("\x00\x10\x00\x00", 4));
  refused(with(edit(), "image", "data:image/png;base64," + testing::encode_base64(giant)),
          "picture of the request");
  EXPECT_THAT(server_->get("/api/jobs").second["jobs"], json::array());

  expect_refused(server_->post("/api/ask", {{"prompt", "What?"}, {"alternatives", 1000}}), 400,
                 "'alternatives'");
  expect_refused(server_->post("/api/ask", {{"prompt", "What?"}, {"max_new_tokens", 65}}), 400,
                 "'max_new_tokens'");
  expect_refused(server_->post("/api/ask", json::array()), 400, "JSON object");
  expect_refused(server_->put("/api/stack", json::object()), 400, "'stack'");
  expect_refused(server_->put("/api/stack", {{"stack", nullptr}}), 400, "'stack' is missing");
  expect_refused(server_->put("/api/stack", {{"stack", {"none"}}}), 400, "no patch");
  const auto raw = [&](const std::string& body, const char* type) {
    return server_->client().Post("/api/ask", body, type)->status;
  };
  EXPECT_EQ(raw("{\"prompt\": ", "application/json"), 400);
  EXPECT_EQ(raw(edit().dump(), "text/plain"), 415);
  EXPECT_EQ(raw(std::string(2 << 20, ' '), "application/json"), 413);
}

TEST_F(WorkbenchTest, NamesAreNoPaths) {
  testing::write_text(folder_.file("secret.patch"), "secret");
  testing::write_text(folder_.file("work/secret.json"), "{\"id\": \"secret\"}");
  for (const char* path :
       {"/api/patches/..%2f..%2fsecret/file", "/api/patches/%2e%2e", "/api/patches/../../secret",
        "/api/jobs/..%2fsecret", "/api/jobs/%2e%2e%2fsecret/events", "/api/runs/%2e%2e"}) {
    const auto response = server_->client().Get(path);
    EXPECT_EQ(response->status, 404) << path;
    EXPECT_THAT(response->body, Not(HasSubstr("secret\"}"))) << path;
  }
  expect_refused(server_->post("/api/exports", {{"to", "hf"}, {"name", "../x"}}), 400, "'name'");
}

TEST_F(WorkbenchTest, OneServerUsesAWorkspace) {
  EXPECT_THAT(error_of([&] { Server(*vlm_, workspace()); }), HasSubstr("another server"));
}

TEST_F(WorkbenchTest, WithoutAWorkspaceNothingIsWritten) {
  Server server(*vlm_, "");
  EXPECT_EQ(server.get("/api/model").second["workspace"], nullptr);
  EXPECT_EQ(server.get("/api/patches").second,
            json({{"stack", json::array()}, {"patches", json::array()}}));
  EXPECT_EQ(server.get("/api/runs").second["runs"], json::array());
  EXPECT_EQ(server.post("/api/ask", {{"prompt", "What?"}}).first, 200);
  for (const char* path : {"/api/edits", "/api/trace", "/api/exports", "/api/patches"})
    expect_refused(server.post(path, json::object()), 400, "--workspace");
  expect_refused(server.put("/api/stack", {{"stack", json::array()}}), 400, "--workspace");
}

TEST_F(WorkbenchTest, ThePageNeedsNoToken) {
  ServerOptions options;
  options.token = "correct horse";
  Server server(*vlm_, "", options);
  const auto page = server.client().Get("/");
  EXPECT_EQ(page->status, 200);
  EXPECT_THAT(page->body, HasSubstr("<html"));
  EXPECT_THAT(page->get_header_value("Content-Security-Policy"), HasSubstr("default-src 'self'"));
  EXPECT_EQ(page->get_header_value("Cache-Control"), "no-store");
  EXPECT_THAT(server.client().Get("/workbench.css")->get_header_value("Content-Type"),
              HasSubstr("text/css"));
  EXPECT_THAT(server.client().Get("/workbench.js")->get_header_value("Content-Type"),
              HasSubstr("javascript"));
  for (const char* path : {"/api/model", "/api/patches", "/api/jobs", "/api/runs"}) {
    EXPECT_EQ(server.client().Get(path)->status, 401) << path;
    EXPECT_EQ(server.client().Get(path, {{"Authorization", "Bearer correct horse"}})->status, 200);
  }
  // Frames and downloads send a cookie. It allows nothing but reading.
  const httplib::Headers cookie = {{"Cookie", "other=1; emend_token=636f727265637420686f727365"}};
  EXPECT_EQ(server.client().Get("/api/runs", cookie)->status, 200);
  EXPECT_EQ(server.client().Get("/v1/models", cookie)->status, 401);
  EXPECT_EQ(server.client().Post("/api/ask", cookie, "{}", "application/json")->status, 401);
  EXPECT_EQ(server.client().Get("/api/runs", {{"Cookie", "emend_token=63"}})->status, 401);
  EXPECT_EQ(server.client().Post("/api/ask", "{}", "application/json")->status, 401);
  EXPECT_EQ(server.client().Delete("/api/jobs/000001")->status, 401);
  EXPECT_EQ(server_->client().Get("/", {{"Host", "evil.example"}})->status, 403);
  EXPECT_EQ(server_->client().Get("/api/model", {{"Host", "evil.example"}})->status, 403);
}

}  // namespace
}  // namespace emend
