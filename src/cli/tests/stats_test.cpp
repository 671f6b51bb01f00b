// `emend stats` as a user runs it.
#include <csignal>

#include "cli/testing/program.h"
#include "editing/statistics/covariance.h"
#include "editing/statistics/moments_file.h"
#include "io/files/path.h"
#include "tests/tiny_models.h"

namespace emend {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class StatsProgramTest : public ProgramTest {
 protected:
  static constexpr const char* kScenesStats =
      "stats -m {}/model --sites language --suite scenes --samples 6 --probes 1 ";
};

TEST_F(StatsProgramTest, WritesTheStatisticsOfTheTinyModel) {
  const auto facts = run_json(std::string(kScenesStats) + "--sites projector -o {}/s.safetensors");
  ASSERT_EQ(facts["sites"].size(), 4u);
  EXPECT_EQ(facts["sites"][0]["site"], "language_projection");
  EXPECT_EQ(facts["sites"][0]["text"], 0);
  EXPECT_GT(facts["sites"][1]["image"].get<int64_t>(), 0);
  EXPECT_GT(facts["sites"][1]["text"].get<int64_t>(), 0);
  EXPECT_EQ(facts["source"]["samples"], 6);
  EXPECT_EQ(facts["source"]["suite"]["name"], "scenes");
  const auto file = MomentsFile::open(path("s.safetensors"));
  EXPECT_EQ(file.facts()["source"], facts["source"]);
  const auto vlm = load_vlm(path("model"));
  const auto moments = file.read(vlm, file.sites().back());
  EXPECT_GT(Covariance(moments, 0.5, 1e-3).condition(), 1);

  // The same command does not overwrite, and --restart gives the same bytes.
  expect_refused(std::string(kScenesStats) + "--sites projector -o {}/s.safetensors",
                 "use --restart to replace it");
  const auto bytes = read_file(path("s.safetensors"));
  const auto again = run(std::string(kScenesStats) +
                         "--sites projector --memory 1K --restart -o {}/s.safetensors");
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_THAT(again.out, AllOf(HasSubstr("position 0"), HasSubstr("passes    4")));
  EXPECT_TRUE(read_file(path("s.safetensors")) == bytes);
}

// Statistics in the folder of a model are no part of the model.
TEST_F(StatsProgramTest, TheModelsFolderCanHaveStatistics) {
  const auto before = run_json("inspect {}/model");
  const auto output = std::string("{}/model/statistics.safetensors");
  ASSERT_EQ(run(std::string(kScenesStats) + "-o " + output).code, 0);
  EXPECT_EQ(run_json("inspect {}/model")["base"], before["base"]);
  EXPECT_EQ(run(kAsk).code, 0);
  const auto vlm = load_vlm(path("model"));
  const std::string site = "language_model.model.decoder.layers.2.fc2";
  EXPECT_GT(open_moments(vlm, "", {site}).read(vlm, site).text.count, 0);
  const auto shown = run_json("inspect " + output);
  EXPECT_EQ(shown["kind"], "statistics");
  EXPECT_EQ(shown["base"], before["base"]);
  EXPECT_EQ(shown["sites"].size(), 3u);
  EXPECT_THAT(run("inspect " + output).out, AllOf(HasSubstr(site), HasSubstr("position 0")));
}

TEST_F(StatsProgramTest, ReadsLinesOfText) {
  testing::write_tiny_llama(path("llama"), 0);
  testing::write_text(path("lines.txt"), "Rome lies in Italy.\n\nParis lies in France.\nThird\n");
  const auto facts = run_json(
      "stats -m {}/llama --sites '*.layers.0.mlp.{up,down}_proj' --text {}/lines.txt --samples 2 "
      "--max-length 10 -o {}/s.safetensors");
  ASSERT_EQ(facts["sites"].size(), 2u);
  EXPECT_EQ(facts["sites"][0]["first"], 2);
  EXPECT_LE(facts["sites"][0]["text"].get<int64_t>(), 18);
  EXPECT_EQ(facts["sites"][0]["image"], 0);
  EXPECT_EQ(facts["source"]["text"]["lines"], 3);
  EXPECT_EQ(facts["source"]["max_length"], 10);
}

TEST_F(StatsProgramTest, ComputesStatisticsOfTheBundledModel) {
  const std::string sites = "language_model.model.decoder.layers.1.fc2";
  const auto facts = run_json("stats --sites " + sites +
                              " --suite scenes --samples 4 --probes 1 -o {}/s.safetensors");
  EXPECT_EQ(facts["sites"][0]["dimension"], 640);
  EXPECT_EQ(MomentsFile::open(path("s.safetensors")).sites(), std::vector<std::string>{sites});
}

TEST_F(StatsProgramTest, RefusesBadInput) {
  testing::write_text(path("lines.txt"), "some text\n");
  const std::string text = "stats -m {}/model --text {}/lines.txt --sites ";
  expect_refused("stats -m {}/model --sites language -o {}/s", "either a suite or a text file");
  expect_refused(text + "language", "--output");
  expect_refused(text + "nothing -o {}/s", "no site matches `nothing`");
  expect_refused(text + "vision_tower -o {}/s", "texts do not pass through vision_model");
  expect_refused(text + "language -o {}/none/s", "folder");
  expect_refused(text + "language -o {}/lines.txt", "also an input");
  expect_refused(text + "language -o {}/picture.png", "not a file that this command replaces");
  expect_refused(text + "language --suite scenes -o {}/s", "--suite");
  expect_refused("stats -m {}/model --text {}/picture.png --sites language -o {}/s", "not UTF-8");
  expect_refused("stats -m {}/model --text {}/none.txt --sites language -o {}/s", "none.txt");
  expect_refused("stats -m {}/model --text {}/lines.txt --split eval --sites language -o {}/s",
                 "--split has no effect without a suite");
  expect_refused("stats -m {}/model --sites language --suite scenes --samples 0 -o {}/s",
                 "give a number with --samples");
}

TEST_F(StatsProgramTest, LeavesNothingBehindAfterAnErrorInASample) {
  const auto result = run(std::string(kScenesStats) + "--max-length 3 -o {}/s.safetensors");
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, AllOf(HasSubstr("would cut a picture"), HasSubstr("--max-length")));
  for (const auto& file : files()) EXPECT_FALSE(file.starts_with("s.safetensors")) << file;
}

// The state belongs to the command that wrote it.
TEST_F(StatsProgramTest, ContinuesAfterAnInterrupt) {
  const std::string command = "stats -m {}/model --sites language --suite scenes --samples 40 -o ";
  ASSERT_EQ(run(command + "{}/whole.safetensors").code, 0);
  const auto output = path("stopped.safetensors");
  const auto words = testing::words_of(
      "stats -m " + path("model") + " --sites language --suite scenes --samples 40 -o " + output);
  // A signal that comes too early ends the program as usual, and one that comes too late has no
  // effect.
  for (int delay = 20; !path_exists(output + ".state") && !path_exists(output); delay += 20) {
    const auto child = testing::start_program(words, path("out"), path("err"));
    std::this_thread::sleep_for(std::chrono::milliseconds(delay));
    ::kill(child, SIGINT);
    const auto status = testing::wait_for(child);
    EXPECT_EQ(status, path_exists(output) ? 0 : 130);
  }
  if (path_exists(output + ".state")) {
    EXPECT_THAT(read_file(path("err")), HasSubstr("run the same command again"));
    expect_refused(command + "{}/stopped.safetensors --seed 1", "use --restart to discard it");
    const auto rest = run(command + "{}/stopped.safetensors");
    EXPECT_EQ(rest.code, 0) << rest.err;
  }
  EXPECT_TRUE(read_file(path("whole.safetensors")) == read_file(output));
  EXPECT_FALSE(path_exists(output + ".state"));
}

}  // namespace
}  // namespace emend
