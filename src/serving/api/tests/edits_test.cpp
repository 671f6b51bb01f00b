#include "serving/testing/workbench_server.h"

namespace emend {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class WorkbenchEditsTest : public testing::WorkbenchTest {};

TEST_F(WorkbenchEditsTest, AnEditIsServedAtOnceAndLeavesNothingBehind) {
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

TEST_F(WorkbenchEditsTest, EditsOfPicturesCanBeAskedAgain) {
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

TEST_F(WorkbenchEditsTest, AnEditThatDoesNotHoldStaysInactive) {
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

TEST_F(WorkbenchEditsTest, MemoriesAreListedAndCannotBecomeWeights) {
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

TEST_F(WorkbenchEditsTest, CommandsAreWrittenBeforeTheEdit) {
  auto body = with(edit(), "image", picture());
  const auto command = [&] { return server_->post("/api/edits/command", body).second["command"]; };
  const std::string first = command();
  EXPECT_THAT(first, AllOf(StartsWith("emend edit -m model --image " + workspace() + "/pictures/"),
                           HasSubstr("--set lr=0.02"), HasSubstr(" -o cat.patch")));
  // Nothing is reserved, and no job begins.
  EXPECT_EQ(command(), first);
  EXPECT_EQ(server_->get("/api/jobs").second["jobs"], json::array());
  const auto job = server_->ended("/api/edits", body);
  ASSERT_EQ(job["status"], "done") << job;
  EXPECT_EQ(job["result"]["command"], first);
  // The next edit is on top of this one, and gets another name.
  body.erase("name");
  EXPECT_THAT(command().get<std::string>(),
              AllOf(HasSubstr("--patch " + workspace() + "/patches/cat.patch"),
                    HasSubstr(" -o cat-2.patch")));
  expect_refused(server_->post("/api/edits/command", with(edit(), "settings", {{"speed", 3}})), 400,
                 "speed");
}

}  // namespace
}  // namespace emend
