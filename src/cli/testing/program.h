#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "cli/testing/process.h"
#include "io/files/file.h"
#include "tests/tiny_vlm.h"

// For tests only: runs the program as a user does. Every test has a folder of its own with two tiny
// models and damaged files.
namespace emend {

struct Result {
  int code = 0;  // 128 + n if signal n ended the program
  std::string out, err;
};

class ProgramTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    ::setenv("EMEND_LOG", "error", 0);
    original_ = std::make_unique<TemporaryFolder>();
    const auto path = [](const std::string& name) { return *original_ / name; };
    testing::write_tiny_vlm(path("model"), 0);
    testing::write_tiny_vlm(path("other"), 1);
    write_png(path("picture.png"), *testing::noise_image(1));
    for (const char* name : {"out", "err"}) testing::write_text(path(name), "");
    testing::write_text(path("text.png"), "this is no picture at all");
    auto png = read_file(path("picture.png"));
    testing::write_text(path("half.png"), png.substr(0, png.size() / 2));
    std::filesystem::copy(path("model"), path("truncated"));
    auto weights = read_file(path("model/model.safetensors"));
    testing::write_text(path("truncated/model.safetensors"), weights.substr(0, weights.size() - 9));
    std::filesystem::copy(path("model"), path("unknown"));
    auto config = testing::tiny_config();
    config["model_type"] = "mystery";
    config["architectures"] = {"MysteryForEverything"};
    testing::write_text(path("unknown/config.json"), config.dump());
  }
  static void TearDownTestSuite() { original_.reset(); }
  void SetUp() override {
    folder_ = std::make_unique<TemporaryFolder>();
    std::filesystem::copy(original_->path(), folder_->path(),
                          std::filesystem::copy_options::recursive);
  }
  void TearDown() override { folder_.reset(); }
  static std::string path(const std::string& name) { return *folder_ / name; }

  // Runs the program; {} in `arguments` is the test's folder. With `before`, shell text such as a
  // limit, a shell starts the program; otherwise, the program runs in a fork of the test.
  static Result run(std::string arguments, const std::string& before = "") {
    for (size_t at; (at = arguments.find("{}")) != std::string::npos;)
      arguments.replace(at, 2, folder_->path());
    Result result;
    if (before.empty()) {
      result.code = testing::wait_for(
          testing::start_program(testing::words_of(arguments), path("out"), path("err")));
    } else {
      auto command = before + " OMP_NUM_THREADS=1 EMEND_LOG=${EMEND_LOG:-error} " + EMEND_PROGRAM +
                     " " + arguments + " >" + path("out") + " 2>" + path("err");
      int status = std::system(command.c_str());
      result.code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }
    result.out = read_file(path("out"));
    result.err = read_file(path("err"));
    return result;
  }
  static nlohmann::json run_json(const std::string& arguments, const std::string& before = "") {
    auto result = run(arguments + " --json", before);
    EXPECT_EQ(result.code, 0) << result.err;
    return nlohmann::json::parse(result.out, nullptr, false);
  }
  static std::vector<std::string> files() {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_->path()))
      names.push_back(entry.path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
  }
  // Expects one line with place, problem and hint on stderr, an empty stdout, and no new file.
  static void expect_refused(const std::string& arguments, const std::string& said,
                             const std::string& before = "") {
    SCOPED_TRACE(arguments);
    auto there = files();
    auto result = run(arguments, before);
    EXPECT_EQ(result.code, 1);
    EXPECT_THAT(result.err, ::testing::StartsWith("emend: "));
    EXPECT_THAT(result.err, ::testing::Not(::testing::HasSubstr("::")));  // no place
    EXPECT_THAT(result.err, ::testing::HasSubstr("Hint: "));
    EXPECT_THAT(result.err, ::testing::HasSubstr(said));
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
    EXPECT_EQ(result.out, "");
    EXPECT_EQ(files(), there);
  }

  static constexpr const char* kAsk = "ask -m {}/model --image {}/picture.png -p 'What is this?'";
  static constexpr const char* kEdit =
      "edit -m {}/model --image {}/picture.png -p 'What is this?' --target cat --probes 2 "
      "--set lr=0.02 --set steps=200 ";

  // Text before a command that makes a shell start the program.
  static constexpr const char* kNewProcess = ":;";

  inline static std::unique_ptr<TemporaryFolder> original_, folder_;
};

}  // namespace emend
