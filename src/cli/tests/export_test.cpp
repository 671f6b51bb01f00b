// Exports, imports and serves edits as a user does.
#include <httplib.h>

#include <csignal>

#include "cli/testing/program.h"

namespace emend {
namespace {

using ::testing::HasSubstr;

class ExportProgramTest : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    for (const std::string editor : {"ft", "lora"})
      run_json(std::string(kEdit) + "--editor " + editor + " -o {}/" + editor + ".patch");
  }
  static std::string answer(const std::string& model, const std::string& patch = "") {
    return run_json("ask -m {}/" + model + " --image {}/picture.png -p 'What is this?'" +
                    (patch.empty() ? "" : " --patch {}/" + patch))["answer"];
  }
};

TEST_F(ExportProgramTest, ExportedFoldersAndAdaptersGiveTheEditedAnswer) {
  for (const std::string editor : {"ft", "lora"}) {
    SCOPED_TRACE(editor);
    const auto patch = editor + ".patch", folder = editor + "-hf";
    ASSERT_EQ(answer("model", patch), "cat");
    const auto exported =
        run_json("export -m {}/model --patch {}/" + patch + " --to hf -o {}/" + folder);
    EXPECT_EQ(exported["checked_prompts"], 1);
    EXPECT_EQ(exported["equal_answers"], 1);
    EXPECT_GT(exported["changed"], 0);
    EXPECT_EQ(answer(folder), "cat");
    run_json("export -m {}/model --patch {}/" + patch + " --to peft --rank 64 -o {}/" + editor +
             "-peft");
    run_json("import -m {}/model {}/" + editor + "-peft -o {}/imported-" + patch);
    EXPECT_EQ(answer("model", "imported-" + patch), "cat");
    EXPECT_EQ(run("inspect {}/imported-" + patch).code, 0);
  }
  EXPECT_NE(answer("model"), "cat");
}

TEST_F(ExportProgramTest, BadInputIsRefused) {
  const std::string hf = "export -m {}/model --to hf ";
  expect_refused(hf + "--patch {}/ft.patch -o {}/other", "exists");
  expect_refused("export -m {}/other --to hf --patch {}/ft.patch -o {}/none",
                 "belongs to the base model");
  expect_refused(hf + "--patch {}/picture.png -o {}/none", "picture.png");
  expect_refused(hf + "--patch {}/ft.patch --rank 3 -o {}/none", "--rank is for --to peft");
  expect_refused(hf + "--patch {}/ft.patch --max-error 0.1 -o {}/none", "--max-error is for");
  expect_refused("export -m {}/model --to peft --rank 3 --max-error 0.1 --patch {}/ft.patch "
                 "-o {}/none",
                 "leave one of them out");
  expect_refused("export -m {}/model --to peft --no-check --patch {}/ft.patch -o {}/none",
                 "--no-check is for --to hf");
  expect_refused("export -m {}/model --to peft --max-error 0 --patch {}/ft.patch -o {}/none",
                 "--max-error");
  run_json(
      "edit -m {}/model --image {}/picture.png -p What? --target cat --probes 1 --editor ike "
      "--set k=0 --allow-failed -o {}/ike.patch");
  expect_refused(hf + "--patch {}/ike.patch -o {}/none", "answers from a memory");
  expect_refused("import -m {}/model {}/other -o {}/none.patch", "adapter_config.json");
  expect_refused("serve -m {}/model --host 0.0.0.0 --port 0", "without a token");
  expect_refused("serve -m {}/model --port 0 --patch {}/ft.patch --patch ft={}/lora.patch",
                 "two patches");
  // All of this is checked before a model is loaded.
  expect_refused("serve -m {}/none --port 0 --patch {}/picture.png", "picture.png");
  expect_refused("serve -m {}/none --port 0 --patch -x={}/ft.patch", "not a name");
  expect_refused("serve -m {}/none --port 0 --workspace {}/picture.png", "picture.png");
  expect_refused("serve -m {}/none --host 0.0.0.0", "without a token");
  testing::write_text(path("token"), "short\n");
  expect_refused("serve -m {}/model --port 0 --token-file {}/token", "fewer than 8");
}

TEST_F(ExportProgramTest, ServesPatchesUntilItIsInterrupted) {
  const auto server = testing::start_program(
      testing::words_of("serve -m " + path("model") + " --patch " + path("ft.patch") +
                        " --patch low=" + path("lora.patch") + " --port 0 -t 1"),
      path("server.out"), path("server.err"));
  ASSERT_TRUE(testing::wait_for_lines(server, path("server.out"), 3))
      << read_file(path("server.err"));
  const auto printed = read_file(path("server.out"));
  EXPECT_THAT(printed, HasSubstr("base, base+ft, base+low"));
  const auto port = std::stoi(printed.substr(printed.find("127.0.0.1:") + 10));
  httplib::Client client("127.0.0.1", port);
  client.set_read_timeout(60);
  const auto models = client.Get("/v1/models");
  ASSERT_TRUE(models);
  EXPECT_EQ(nlohmann::json::parse(models->body)["data"].size(), 3u);
  const auto response = client.Post(
      "/v1/chat/completions",
      R"({"model": "base+low", "max_tokens": 2, "messages": [{"role": "user", "content": "What?"}]})",
      "application/json");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 200) << response->body;
  ::kill(server, SIGTERM);
  EXPECT_EQ(testing::wait_for(server), 0) << read_file(path("server.err"));
}

}  // namespace
}  // namespace emend
