#include "serving/testing/workbench_server.h"

namespace emend {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::Not;

class WorkbenchPatchesTest : public testing::WorkbenchTest {};

TEST_F(WorkbenchPatchesTest, PatchesAreUploadedAndDownloaded) {
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
  expect_refused(server_->put("/api/stack", {{"stack", {"cat", "copy"}}}), 400,
                 "'cat' and 'copy' are the same patch");
  expect_refused(server_->put("/api/stack", {{"stack", {"cat", "cat"}}}), 400,
                 "the patch 'cat' is named twice");
  expect_refused(server_->post("/api/patches", {{"name", "copy"}, {"data", data}}), 409, "copy");
  const auto bad = server_->post("/api/patches", {{"name", "bad"}, {"data", "AAAA"}});
  expect_refused(bad, 400, "the patch file");
  EXPECT_THAT(bad.second.dump(), Not(HasSubstr("Hint")));
  expect_refused(server_->post("/api/patches", {{"name", "bad"}, {"data", "@"}}), 400, "base64");
  EXPECT_THAT(patch_names(), ElementsAre("cat", "copy"));
  EXPECT_THAT(folder_.listing(), Not(HasSubstr("upload")));
}

TEST_F(WorkbenchPatchesTest, OtherPatchesAreServedButNotRemoved) {
  server_->ended("/api/edits", edit());
  std::filesystem::copy(workspace() + "/patches/cat.patch", folder_.file("given.patch"));
  server_->remove("/api/patches/cat");
  const auto patch = load_patch(folder_.file("given.patch"));
  server_->library().add_file("given", folder_.file("given.patch"), patch);
  EXPECT_EQ(server_->get("/api/patches/given").second["workspace"], false);
  EXPECT_EQ(server_->chat("base+given").second, "cat");
  expect_refused(server_->remove("/api/patches/given"), 403, "not in the workspace");
  EXPECT_THAT(error_of([&] { server_->library().add_file("given", "x", patch); }),
              HasSubstr("two patches"));
  EXPECT_THAT(error_of([&] { server_->library().add_file("base", "x", patch); }),
              HasSubstr("cannot have the name 'base'"));
  EXPECT_EQ(server_->library().free_name("base"), "base-2");
  // The workspace remembers the stack, but the next server has no such patch.
  EXPECT_EQ(server_->put("/api/stack", {{"stack", {"given"}}}).first, 200);
}

TEST_F(WorkbenchPatchesTest, ExportsAreWrittenIntoTheWorkspace) {
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

}  // namespace
}  // namespace emend
