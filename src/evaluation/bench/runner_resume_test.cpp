// Runs that end early and go on, and folders that no run may use.
#include <fmt/format.h>

#include <filesystem>
#include <random>

#include "evaluation/bench/schedule.h"
#include "evaluation/bench/testing/runner_fixture.h"
#include "evaluation/edits/sequence/editor_files.h"
#include "io/json/json_lines.h"
#include "io/tensors/safetensors.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using Mode = RunOptions::Mode;

class RunnerResumeTest : public RunnerTest {};

// Simulates a kill: complete lines remain, perhaps with a part of another.
TEST_F(RunnerResumeTest, ResumesAfterAnyTruncation) {
  FakeSuite suite(4);  // the last record has no picture, so ft:vision cannot edit it
  for (auto mode : {Mode::single, Mode::sequential, Mode::batch}) {
    SCOPED_TRACE(mode_name(mode));
    auto whole = std::string("whole-") + mode_name(mode),
         cut = std::string("cut-") + mode_name(mode);
    EXPECT_TRUE(run(suite, options(whole, mode)).finished);
    auto bytes = read_file(path(whole + "/samples.jsonl"));
    auto expected = without_timings(path(whole + "/results.json"));
    fs::copy(path(whole), path(cut), fs::copy_options::recursive);
    std::mt19937_64 random(7);
    for (int i = 0; i < 3; ++i) {
      write_file(path(cut + "/samples.jsonl"), bytes.substr(0, random() % bytes.size()));
      fs::remove(path(cut + "/results.json"));
      fs::remove_all(path(cut + "/pictures"));
      auto outcome = run(suite, options(cut, mode));
      EXPECT_TRUE(outcome.finished);
      EXPECT_EQ(read_file(path(cut + "/samples.jsonl")), bytes);
      EXPECT_EQ(without_timings(path(cut + "/results.json")), expected);
    }
  }
}

TEST_F(RunnerResumeTest, ResumesAfterAnInterrupt) {
  FakeSuite suite(4);
  run(suite, options("whole"));
  suite.interrupting = 2;
  auto stopped = run(suite, options("b"));
  EXPECT_FALSE(stopped.finished);
  EXPECT_EQ(stopped.done, 2u);
  EXPECT_EQ(stopped.total, 4u);
  EXPECT_EQ(read_json(path("b/results.json"))["partial"], true);
  auto some = lines(path("b/samples.jsonl"));
  EXPECT_EQ(some.size(), 7u);  // the current record was finished
  suite.interrupting = SIZE_MAX;
  EXPECT_TRUE(run(suite, options("b")).finished);
  EXPECT_EQ(read_file(path("b/samples.jsonl")), read_file(path("whole/samples.jsonl")));
  EXPECT_EQ(without_timings(path("b/results.json")), without_timings(path("whole/results.json")));
  // A further run changes nothing.
  EXPECT_TRUE(run(suite, options("b")).finished);
  EXPECT_EQ(read_file(path("b/samples.jsonl")), read_file(path("whole/samples.jsonl")));
}

TEST_F(RunnerResumeTest, StopsWhenTheCallerAsks) {
  FakeSuite suite(4);
  run(suite, options("whole"));
  auto watched = options("b");
  std::vector<std::pair<size_t, size_t>> calls;
  watched.on_judged = [&](size_t done, size_t total) {
    calls.emplace_back(done, total);
    return done < 2;
  };
  const auto stopped = run(suite, watched);
  EXPECT_FALSE(stopped.finished);
  EXPECT_EQ(stopped.done, 2u);
  EXPECT_EQ(calls.size(), 6u);  // two records with base and two editors
  EXPECT_EQ(calls.front(), std::make_pair(size_t{0}, size_t{4}));
  EXPECT_TRUE(run(suite, options("b")).finished);
  EXPECT_EQ(read_file(path("b/samples.jsonl")), read_file(path("whole/samples.jsonl")));
}

// Sequential runs of editors of every kind of patch, which stop after some records and save their
// edits.
class EditSnapshotsTest : public RunnerTest {
 protected:
  RunOptions sequential(const std::string& name) const {
    auto all = options(name, Mode::sequential);
    all.judge_at = {2, 4};
    all.snapshot_seconds = 0;
    return all;
  }
  static std::vector<EditorSpec> several() {
    auto specs = parse_editors("ft:language,lora,ultraedit,grace,wise");
    for (auto& spec : specs) spec.settings["steps"] = 2;
    specs[2].settings = nlohmann::json::object();
    specs[4].settings.update({{"unrelated", 2}, {"prefixes", 1}, {"prefix_length", 3}});
    return specs;
  }
  // Stops after `done` judgments of records.
  void stop_after(size_t done, const std::string& name) {
    auto watched = sequential(name);
    watched.on_judged = [&](size_t judged, size_t) { return judged < done; };
    EXPECT_FALSE(run(suite_, watched, several()).finished);
    suite_.read.clear();
  }
  void expect_the_same_as_whole(const std::string& name) {
    EXPECT_TRUE(run(suite_, sequential(name), several()).finished);
    EXPECT_EQ(read_file(path(name + "/samples.jsonl")), whole());
    EXPECT_FALSE(fs::exists(path(name + "/edits"))) << "a finished run needs no snapshot";
  }
  const std::string& whole() {
    if (whole_.empty()) {
      EXPECT_TRUE(run(suite_, sequential("whole"), several()).finished);
      whole_ = read_file(path("whole/samples.jsonl"));
      suite_.read.clear();
    }
    return whole_;
  }

  FakeSuite suite_{6};
  std::string whole_;
};

TEST_F(EditSnapshotsTest, AResumedRunDoesNotMakeSavedEditsAgain) {
  whole();
  // Four edits, the two that are judged again after the second, and one of those after the fourth.
  stop_after(4 + 2 + 1, "b");
  ASSERT_TRUE(fs::exists(path("b/edits/000004")));
  EXPECT_TRUE(run(suite_, sequential("b"), several()).finished);
  std::set<size_t> needed = {4, 5, reevaluated_edits(/*seed=*/0, 4, 2).back()};
  for (const auto index : reevaluated_edits(/*seed=*/0, 6, 2)) needed.insert(index);
  ASSERT_LT(needed.size(), 6u);
  EXPECT_EQ(suite_.read, needed);
  EXPECT_EQ(read_file(path("b/samples.jsonl")), whole());
}

TEST_F(EditSnapshotsTest, OnlySequentialRunsHaveThem) {
  for (const auto mode : {Mode::single, Mode::batch}) {
    auto watched = options(mode_name(mode), mode);
    watched.snapshot_seconds = 0;
    watched.on_judged = [](size_t done, size_t) { return done < 3; };
    EXPECT_FALSE(run(suite_, watched).finished);
    EXPECT_FALSE(fs::exists(path(std::string(mode_name(mode)) + "/edits")));
  }
}

TEST_F(EditSnapshotsTest, AreNotUsedBeforeTheirJudgments) {
  whole();
  stop_after(4, "b");
  const auto bytes = read_file(path("b/samples.jsonl"));
  for (const double share : {0.3, 0.8}) {
    const auto name = fmt::format("cut-{}", share);
    fs::copy(path("b"), path(name), fs::copy_options::recursive);
    write_file(path(name + "/samples.jsonl"),
               bytes.substr(0, static_cast<size_t>(share * static_cast<double>(bytes.size()))));
    expect_the_same_as_whole(name);
  }
}

TEST_F(EditSnapshotsTest, ADamagedOneIsNotUsed) {
  whole();
  stop_after(3, "b");
  const auto snapshot = fs::directory_iterator(path("b/edits"))->path();
  const auto file = (snapshot / "1.1.patch").string();
  auto bytes = read_file(file);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  write_file(file, bytes);
  expect_the_same_as_whole("b");
  EXPECT_EQ(suite_.read.count(0), 1u) << "the edits are made again";
}

TEST_F(RunnerResumeTest, RefusesTheFolderOfAnotherRun) {
  FakeSuite suite(1);
  run(suite, options("h"));
  auto refused = [&](const RunOptions& options, std::vector<EditorSpec> specs = editors()) {
    return refusal([&] { Runner(suite, specs, options); });
  };
  auto other = options("h");
  EXPECT_EQ(refused(other), "");
  other.seed = 1;
  EXPECT_THAT(refused(other), AllOf(HasSubstr("config.seed"), HasSubstr("--restart")));
  other = options("h", Mode::sequential);
  EXPECT_NE(refused(other), "");
  other = options("h");
  other.facts["dtype"] = "bf16";
  EXPECT_THAT(refused(other), HasSubstr("config.dtype"));
  auto specs = editors();
  specs[1].settings["steps"] = 9;
  EXPECT_THAT(refused(options("h"), specs),
              HasSubstr("editors.2.settings.steps was 3 and is now 9"));
  specs.pop_back();
  EXPECT_THAT(refused(options("h"), specs), HasSubstr("editors"));
  specs.push_back(specs.front());
  EXPECT_THAT(refused(options("h"), specs), HasSubstr("two editors have the label 'ft:language'"));
  FakeSuite larger(2);
  EXPECT_THAT(refusal([&] { Runner(larger, editors(), options("h")); }), HasSubstr("config.suite"));

  auto vlm = load_vlm(*model_ / "b");
  EXPECT_THAT(refusal([&] { Runner(suite, editors(), options("h")).run(vlm); }),
              HasSubstr("config.model.fingerprint"));
  other = options("h");
  other.seed = 1;
  other.restart = true;
  EXPECT_TRUE(run(suite, other).finished);
  EXPECT_EQ(read_json(path("h/run.json"))["config"]["seed"], 1);
  EXPECT_EQ(lines(path("h/samples.jsonl")).size(), 3u);
}

TEST_F(RunnerResumeTest, ARestartDoesNotRemoveARunThatIsBeingWritten) {
  FakeSuite suite(1);
  run(suite, options("h"));
  auto other = options("h");
  other.seed = 1;
  other.restart = true;
  const auto before = read_file(path("h/samples.jsonl"));
  {
    const JsonLines writer(path("h/samples.jsonl"));  // of another process
    EXPECT_THAT(refusal([&] { run(suite, other); }),
                HasSubstr("is being written by another process"));
  }
  EXPECT_EQ(read_file(path("h/samples.jsonl")), before);
  EXPECT_EQ(read_json(path("h/run.json"))["config"]["seed"], 0);
  EXPECT_TRUE(run(suite, other).finished);
}

// The run was started as ft:vision and is resumed as ft:connector and ft:qformer.
TEST_F(RunnerResumeTest, ResumesUnderAnotherNameOfTheModule) {
  FakeSuite suite(2);
  const auto named = [&](const std::string& list) {
    auto specs = parse_editors(list);
    for (auto& spec : specs) spec.settings.update({{"steps", 3}, {"lr", 0.02}});
    ActivationStore store({});
    return Runner(suite, specs, options("alias")).run(*vlm_, &store);
  };
  named("ft:language,ft:vision");
  const auto bytes = read_file(path("alias/samples.jsonl"));
  const auto whole = without_timings(path("alias/results.json"));
  for (const std::string list : {"ft:language,ft:connector", "ft:language,ft:qformer"}) {
    write_file(path("alias/samples.jsonl"), bytes.substr(0, bytes.size() / 2));
    EXPECT_TRUE(named(list).finished);
    EXPECT_EQ(read_file(path("alias/samples.jsonl")), bytes);
    EXPECT_EQ(without_timings(path("alias/results.json")), whole);
  }
  EXPECT_THAT(refusal([&] { named("ft:language,ft:projector"); }),
              HasSubstr("editors.2.label was \"ft:vision\" and is now \"ft:projector\""));
}

// The trained networks and statistics of editors are a part of the run.
TEST_F(RunnerResumeTest, RefusesOtherFilesOfAnEditor) {
  FakeSuite suite(2);
  for (const std::string setting : {"checkpoint", "statistics"}) {
    SCOPED_TRACE(setting);
    const auto file = path(setting + ".safetensors");
    const auto specs = [&] {
      auto all = parse_editors(setting == "checkpoint" ? "mend" : "memit");
      all[0].settings[setting] = file;
      return all;
    };
    const auto write = [&](const char* contents) {
      write_safetensors(file, {{"t", at::zeros({1})}}, {{"checksum", contents}});
    };
    write("a");
    run(suite, options(setting), specs());
    const auto recorded = read_json(path(setting + "/run.json"))["editors"][1]["files"];
    EXPECT_EQ(recorded[setting].get<std::string>().size(), 32u);
    EXPECT_EQ(refusal([&] { run(suite, options(setting), specs()); }), "");
    write("b");
    EXPECT_THAT(refusal([&] { run(suite, options(setting), specs()); }),
                HasSubstr("editors.1.files." + setting));
  }
  // Without the setting, the file in the model folder is read.
  const auto folder = path("model");
  EXPECT_EQ(editor_files(folder, "mend", {{"checkpoint", ""}}), nlohmann::json::object());
  fs::create_directories(folder + "/editors");
  const std::string networks = folder + "/editors/mend-language.safetensors";
  write_safetensors(networks, {{"t", at::zeros({1})}}, {{"checksum", "a"}});
  const auto files = editor_files(folder, "mend", {{"checkpoint", ""}});
  EXPECT_EQ(files, editor_files("", "mend", {{"checkpoint", networks}}));
  EXPECT_EQ(files.size(), 1u);
  EXPECT_EQ(editor_files(folder, "serac", {{"checkpoint", ""}}), nlohmann::json::object());
}

TEST_F(RunnerResumeTest, ModelFolderMayMove) {
  FakeSuite suite(1);
  run(suite, options("i"));
  fs::copy(*model_ / "a", *model_ / "moved");
  auto vlm = load_vlm(*model_ / "moved");
  auto before = without_timings(path("i/results.json"));
  EXPECT_TRUE(Runner(suite, editors(), options("i")).run(vlm).finished);
  EXPECT_EQ(without_timings(path("i/results.json")), before);
}

TEST_F(RunnerResumeTest, RefusesAFolderThatIsNotARun) {
  FakeSuite suite(1);
  fs::create_directories(path("mine"));
  write_file(path("mine/notes.txt"), "mine");
  write_file(path("file"), "mine");
  for (const char* name : {"mine", "file", "file/below"}) {
    auto all = options(name);
    all.restart = true;
    EXPECT_NE(refusal([&] { Runner(suite, editors(), all); }), "") << name;
  }
  EXPECT_EQ(read_file(path("mine/notes.txt")), "mine");
  FakeSuite empty(0);
  EXPECT_NE(refusal([&] { Runner(empty, editors(), options("new")); }), "");
  EXPECT_FALSE(fs::exists(path("new")));
}

TEST_F(RunnerResumeTest, RefusesSamplesInAnotherOrder) {
  FakeSuite suite(2);
  run(suite, options("j"));
  auto bytes = read_file(path("j/samples.jsonl"));
  auto first = bytes.substr(0, bytes.find('\n') + 1);
  write_file(path("j/samples.jsonl"), first + first);
  EXPECT_THAT(refusal([&] { run(suite, options("j")); }), HasSubstr("line 2"));
  write_file(path("j/samples.jsonl"), bytes + first);
  EXPECT_THAT(refusal([&] { run(suite, options("j")); }), HasSubstr("more lines"));
}

}  // namespace
}  // namespace emend
