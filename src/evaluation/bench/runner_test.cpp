#include "evaluation/bench/runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <random>

#include "editing/patches/patch_stack.h"
#include "evaluation/bench/schedule.h"
#include "evaluation/measuring/averages.h"
#include "io/error.h"
#include "io/files/file.h"
#include "io/json/json.h"
#include "tests/tiny_vlm.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using Mode = RunOptions::Mode;

// Random pictures with random questions. Record 3 has no picture.
class FakeSuite : public Suite {
 public:
  explicit FakeSuite(size_t size) : size_(size) {}
  size_t size() const override { return size_; }
  Record record(size_t index) const override {
    if (index == unreadable) throw Error("suites::fake", "record 'r2' is torn", "mend it");
    if (index == interrupting) ::raise(SIGINT);
    Record record;
    record.id = "r" + std::to_string(index);
    record.prompt = "What is number " + std::to_string(index) + "?";
    record.target = index % 2 ? "cat" : "dog";
    record.truth = "a thing";
    if (index != 3) record.image.drawn = testing::noise_image(index);
    record.probes.push_back({Group::text_generality, record.image, "What?", record.target});
    record.probes.push_back({Group::text_locality, {}, "Where is Rome?", "Italy"});
    record.probes.push_back(
        {Group::image_locality, {"", testing::noise_image(99)}, "What color?", "green"});
    return record;
  }
  nlohmann::json metadata() const override { return {{"name", "fake"}, {"kept", size_}}; }

  size_t records_together() const override { return together; }

  size_t together = 1;
  size_t unreadable = SIZE_MAX, interrupting = SIZE_MAX;

 private:
  size_t size_;
};

class RunnerTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    model_ = std::make_unique<TemporaryFolder>();
    testing::write_tiny_vlm(*model_ / "a");
    testing::write_tiny_vlm(*model_ / "b", 1);
    vlm_ = std::make_unique<Vlm>(load_vlm(*model_ / "a"));
  }
  static void TearDownTestSuite() {
    vlm_.reset();
    model_.reset();
  }
  std::string path(const std::string& name) const { return folder_ / name; }

  RunOptions options(const std::string& name, Mode mode = Mode::single) const {
    RunOptions options;
    options.directory = path(name);
    options.mode = mode;
    if (mode == Mode::batch) options.batch_size = 2;
    options.judge_at = {1, 2};
    options.judge_sample = 2;
    options.protocol.max_new_tokens = 3;
    options.facts = {{"limit", 0}};
    return options;
  }
  static std::vector<EditorSpec> editors() {
    auto specs = parse_editors("ft:language,ft:vision");
    for (auto& spec : specs) spec.settings.update({{"steps", 3}, {"lr", 0.02}});
    return specs;
  }
  static RunOutcome run(const Suite& suite, const RunOptions& options) {
    ActivationStore store({});
    return Runner(suite, editors(), options).run(*vlm_, &store);
  }
  static std::vector<nlohmann::json> lines(const std::string& file) {
    std::vector<nlohmann::json> all;
    std::istringstream text(read_file(file));
    for (std::string line; std::getline(text, line);) all.push_back(nlohmann::json::parse(line));
    return all;
  }
  static nlohmann::json without_timings(const std::string& file) {
    auto json = read_json(file);
    json.erase("timings");
    return json;
  }
  template <class F>
  static std::string refusal(F&& act) {
    try {
      act();
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  TemporaryFolder folder_;
  static std::unique_ptr<TemporaryFolder> model_;
  static std::unique_ptr<Vlm> vlm_;
};
std::unique_ptr<TemporaryFolder> RunnerTest::model_;
std::unique_ptr<Vlm> RunnerTest::vlm_;

TEST_F(RunnerTest, JudgesEveryEditorOnEveryRecord) {
  FakeSuite suite(3);
  auto outcome = run(suite, options("a"));
  EXPECT_TRUE(outcome.finished);
  EXPECT_EQ(outcome.done, 3u);
  EXPECT_TRUE(outcome.failed_editors.empty());
  auto samples = lines(path("a/samples.jsonl"));
  ASSERT_EQ(samples.size(), 9u);
  for (size_t i = 0; i < 9; ++i) {
    const char* labels[] = {"base", "ft:language", "ft:vision"};
    const auto& sample = samples[i];
    EXPECT_EQ(sample["editor"], labels[i % 3]);
    EXPECT_EQ(sample["index"], i / 3);
    EXPECT_EQ(sample["record"], "r" + std::to_string(i / 3));
    EXPECT_EQ(sample["truth"], "a thing");
    EXPECT_EQ(sample.contains("steps"), i % 3 != 0);
    ASSERT_EQ(sample["probes"].size(), 4u);
    EXPECT_EQ(sample["image"], sample["probes"][0]["image"]);
    EXPECT_TRUE(fs::exists(path("a/" + sample["image"].get<std::string>())));
    // All editors share the side before the edit.
    for (size_t p = 0; p < 4; ++p)
      EXPECT_EQ(sample["probes"][p]["before"], samples[i / 3 * 3]["probes"][p]["before"]);
  }
  EXPECT_EQ(std::distance(fs::directory_iterator(path("a/pictures")), {}), 4);

  auto results = read_json(path("a/results.json"));
  EXPECT_EQ(results, outcome.results);
  EXPECT_FALSE(results.contains("partial"));
  const auto& base = results["editors"][0];
  EXPECT_EQ(base["label"], "base");
  EXPECT_EQ(base["groups"]["text_locality"]["score"], 1.0);
  EXPECT_EQ(base["groups"]["image_locality"]["score"], 1.0);
  EXPECT_FALSE(base.contains("patch"));
  EXPECT_EQ(results["editors"][1]["patch"]["sites"], 2);
  EXPECT_EQ(results["editors"][1]["settings"]["steps"], 3);
  EXPECT_EQ(results["editors"][1]["records"], 3);
  EXPECT_LT(results["editors"][1]["groups"]["image_locality"]["score"], 1.0);
  EXPECT_EQ(results["n-samples"]["fake|base"]["effective"], 3);
  EXPECT_EQ(results["results"]["fake|ft:vision"]["rewrite_acc"],
            results["editors"][2]["groups"]["reliability"]["score"]);
  const auto& config = results["config"];
  EXPECT_EQ(config["model"]["fingerprint"], vlm_->fingerprint());
  for (const char* key :
       {"emend", "libtorch", "suite", "protocol", "mode", "seed", "threads", "reuse", "limit"})
    EXPECT_TRUE(config.contains(key)) << key;
  EXPECT_GT(results["timings"]["ft:language"]["edit_seconds"].get<double>(), 0);
  EXPECT_GT(results["timings"]["base"]["before_seconds"].get<double>(), 0);
}

// Simulates a kill: complete lines remain, perhaps with a part of another.
TEST_F(RunnerTest, ResumesAfterAnyTruncation) {
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

TEST_F(RunnerTest, ResumesAfterAnInterrupt) {
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

TEST_F(RunnerTest, StopsWhenTheCallerAsks) {
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

TEST_F(RunnerTest, FailuresAreRecordedAndCounted) {
  FakeSuite suite(4);
  suite.unreadable = 2;
  auto outcome = run(suite, options("c"));
  EXPECT_TRUE(outcome.finished);
  EXPECT_TRUE(outcome.failed_editors.empty());
  auto samples = lines(path("c/samples.jsonl"));
  ASSERT_EQ(samples.size(), 12u);
  for (size_t i = 6; i < 9; ++i) {
    EXPECT_THAT(samples[i]["failed"].get<std::string>(), HasSubstr("torn"));
    EXPECT_EQ(samples[i]["stage"], "reading");
  }
  EXPECT_FALSE(samples[10].contains("failed"));  // ft:language can edit without a picture
  EXPECT_EQ(samples[11]["stage"], "editing");
  EXPECT_EQ(samples[11]["record"], "r3");
  const auto& vision = outcome.results["editors"][2];
  EXPECT_EQ(vision["records"], 2);
  ASSERT_EQ(vision["failed"].size(), 2u);
  EXPECT_EQ(vision["failed"][1]["record"], "r3");
  EXPECT_THAT(vision["failed"][1]["reason"].get<std::string>(), HasSubstr("no gradient"));
  EXPECT_EQ(outcome.results["n-samples"]["fake|ft:vision"]["effective"], 2);
  EXPECT_EQ(outcome.results["n-samples"]["fake|ft:vision"]["original"], 4);
  EXPECT_EQ(outcome.results["editors"][1]["records"], 3);
}

TEST_F(RunnerTest, ReportsAnEditorThatFailsOnEveryRecord) {
  class NoPictures : public FakeSuite {
    using FakeSuite::FakeSuite;
    Record record(size_t index) const override {
      auto record = FakeSuite::record(3);
      record.id += std::to_string(index);
      return record;
    }
  } suite(2);
  auto outcome = run(suite, options("d"));
  EXPECT_TRUE(outcome.finished);
  ASSERT_EQ(outcome.failed_editors.size(), 1u);
  EXPECT_THAT(outcome.failed_editors["ft:vision"], HasSubstr("no gradient"));
}

TEST_F(RunnerTest, BatchesOfSequentialModeAccumulate) {
  FakeSuite suite(3);
  auto all = options("g", Mode::sequential);
  all.batch_size = 2;
  auto outcome = run(suite, all);
  EXPECT_EQ(outcome.total, 3u + 2 + 2);
  EXPECT_EQ(outcome.results["config"]["batch_size"], 2);
  EXPECT_EQ(outcome.results["config"]["judge"]["at"], (std::vector<int>{2, 3}));
  // Lines: r0 and r1 (2 edits), both again, r2 (3 edits), two of them again.
  const auto samples = lines(path("g/samples.jsonl"));
  ASSERT_EQ(samples.size(), 21u);
  for (size_t i = 0; i < samples.size(); ++i) {
    EXPECT_EQ(samples[i]["after_edits"], i < 12 ? 2 : 3) << i;
    EXPECT_EQ(samples[i].contains("reevaluated"), (i >= 6 && i < 12) || i >= 15) << i;
  }
  for (size_t i = 0; i < 6; ++i) EXPECT_EQ(samples[i]["probes"], samples[i + 6]["probes"]) << i;
  // Resumed within the first batch and within the second.
  const auto bytes = read_file(path("g/samples.jsonl"));
  for (const size_t share : {6, 2}) {
    write_file(path("g/samples.jsonl"), bytes.substr(0, bytes.size() - bytes.size() / share));
    EXPECT_TRUE(run(suite, all).finished);
    EXPECT_EQ(read_file(path("g/samples.jsonl")), bytes);
  }
}

TEST_F(RunnerTest, SequentialModeJudgesEarlierEditsAgain) {
  FakeSuite suite(4);
  auto all = options("e", Mode::sequential);
  auto outcome = run(suite, all);
  EXPECT_EQ(outcome.total, 4u + 1 + 2 + 2);
  auto samples = lines(path("e/samples.jsonl"));
  EXPECT_EQ(samples.size(), 27u);

  // The same edits by hand: each on top of the earlier ones, judged against the unedited model.
  auto spec = editors()[0];
  auto editor = make_editor(spec.name, spec.settings);
  PatchStack stack;
  std::vector<Baseline> baselines;
  for (size_t i = 0; i < 2; ++i) {
    auto record = suite.record(i);
    baselines.push_back(measure_baseline(*vlm_, record, all.protocol));
    stack.apply(*vlm_, editor->edit(*vlm_,
                                    {{record.image, edit_prompt(all.protocol, record),
                                      continuation(all.protocol, record.target), record.before}},
                                    {stack.interventions(*vlm_)}));
  }
  auto expect_same = [&](const nlohmann::json& sample, size_t index) {
    auto measured = measure(*vlm_, baselines[index], stack.interventions(*vlm_));
    EXPECT_EQ(sample["index"], index);
    EXPECT_EQ(sample["editor"], "ft:language");
    EXPECT_EQ(sample["after_edits"], 2);
    for (size_t p = 0; p < measured.probes.size(); ++p)
      EXPECT_EQ(sample["probes"][p], to_json(measured.probes[p])) << p;
  };
  // Lines: r0, r0 again (1 edit), r1, r0 and r1 again (2 edits), ...
  expect_same(samples[7], 1);
  expect_same(samples[10], 0);
  expect_same(samples[13], 1);
  EXPECT_FALSE(samples[7].contains("reevaluated"));
  EXPECT_EQ(samples[10]["reevaluated"], true);

  const auto& results = outcome.results["editors"][1];
  ASSERT_EQ(results["curve"].size(), 3u);
  EXPECT_EQ(results["curve"][1]["edits"], 2);
  EXPECT_EQ(results["curve"][1]["judged"], 2);
  EXPECT_EQ(results["curve"][2]["edits"], 4);
  EXPECT_EQ(results["curve"][2]["groups"], results["groups"]);
  EXPECT_EQ(results["groups_when_made"]["reliability"]["probes"], 4);
  EXPECT_EQ(results["records"], 2);
  EXPECT_EQ(outcome.results["config"]["judge"]["at"], (std::vector<int>{1, 2, 4}));
  // The fourth edit failed with ft:vision. It counts whether or not it is in the sample.
  ASSERT_EQ(outcome.results["editors"][2]["failed"].size(), 1u);
  EXPECT_EQ(outcome.results["editors"][2]["failed"][0]["record"], "r3");
  // The base model does not change.
  for (const auto& point : outcome.results["editors"][0]["curve"])
    EXPECT_EQ(point["groups"]["image_locality"]["score"], 1.0);
}

TEST_F(RunnerTest, BatchModeMakesOneEditPerBatch) {
  FakeSuite suite(3);
  auto all = options("f", Mode::batch);
  run(suite, all);
  auto samples = lines(path("f/samples.jsonl"));
  ASSERT_EQ(samples.size(), 9u);
  auto spec = editors()[0];
  std::vector<EditRequest> requests;
  for (size_t i = 0; i < 2; ++i) {
    auto record = suite.record(i);
    requests.push_back({record.image, edit_prompt(all.protocol, record),
                        continuation(all.protocol, record.target), record.before});
  }
  auto patch = make_editor(spec.name, spec.settings)->edit(*vlm_, requests);
  for (size_t i = 0; i < 2; ++i) {
    auto measured = measure(*vlm_, measure_baseline(*vlm_, suite.record(i), all.protocol),
                            patch.interventions(*vlm_));
    for (size_t p = 0; p < measured.probes.size(); ++p)
      EXPECT_EQ(samples[3 * i + 1]["probes"][p], to_json(measured.probes[p]));
  }
}

TEST_F(RunnerTest, RefusesToSeparateEditsThatBelongTogether) {
  FakeSuite suite(4);
  suite.together = 2;
  const auto refused = [&](RunOptions options) {
    return error_of([&] { Runner(suite, editors(), std::move(options)); });
  };
  EXPECT_THAT(refused(options("pairs")),
              HasSubstr("2 edits of the suite must be in place together"));
  auto batch = options("pairs", Mode::batch);
  batch.batch_size = 3;
  EXPECT_THAT(refused(batch), HasSubstr("multiple of 2"));
  batch.batch_size = 4;
  EXPECT_EQ(refused(batch), "no error");
  EXPECT_EQ(refused(options("pairs", Mode::sequential)), "no error");
}

TEST_F(RunnerTest, UnreadableRecordDoesNotFailItsBatch) {
  FakeSuite suite(3);
  suite.unreadable = 0;
  run(suite, options("g", Mode::batch));
  auto samples = lines(path("g/samples.jsonl"));
  for (size_t i = 0; i < 9; ++i) EXPECT_EQ(samples[i].contains("failed"), i < 3) << i;
}

TEST_F(RunnerTest, NoReuseGivesTheSameScores) {
  FakeSuite suite(2);
  auto naive = options("naive");
  naive.reuse = false;
  run(suite, options("reused"));
  run(suite, naive);
  auto reused = lines(path("reused/samples.jsonl")), computed = lines(path("naive/samples.jsonl"));
  ASSERT_EQ(reused.size(), computed.size());
  for (size_t i = 0; i < reused.size(); ++i)
    for (size_t p = 0; p < reused[i]["probes"].size(); ++p) {
      auto one = reused[i]["probes"][p], other = computed[i]["probes"][p];
      // Other shapes round differently, which may swap two ranks of one position. It changes no
      // answer of this model.
      const auto group = one["group"].get<std::string>();
      const double ranks = group == "text_locality" ? 1 : group == "image_locality" ? 10 : 0;
      const auto positions = static_cast<double>(one["prompt"].get<std::string>().size());
      EXPECT_NEAR(one["score"].get<double>(), other["score"].get<double>(),
                  ranks > 0 ? 1 / (ranks * positions) : 0);
      one.erase("score");
      other.erase("score");
      EXPECT_EQ(one, other);
    }
  EXPECT_EQ(read_json(path("naive/results.json"))["config"]["reuse"], false);
}

TEST_F(RunnerTest, RefusesTheFolderOfAnotherRun) {
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

// The run was started as ft:vision and is resumed as ft:connector and ft:qformer.
TEST_F(RunnerTest, ResumesUnderAnotherNameOfTheModule) {
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

TEST_F(RunnerTest, RefusesAnEditorThatIsGivenTwice) {
  FakeSuite suite(1);
  const auto refused = [&](const std::vector<EditorSpec>& specs) {
    return refusal([&] { Runner(suite, specs, options("twice")); });
  };
  auto specs = parse_editors("ft:language,ft");
  EXPECT_THAT(refused(specs),
              HasSubstr("'ft:language' and 'ft' are the same editor with the same"));
  specs[1].settings["steps"] = 9;
  EXPECT_EQ(refused(specs), "");
}

TEST_F(RunnerTest, ModelFolderMayMove) {
  FakeSuite suite(1);
  run(suite, options("i"));
  fs::copy(*model_ / "a", *model_ / "moved");
  auto vlm = load_vlm(*model_ / "moved");
  auto before = without_timings(path("i/results.json"));
  EXPECT_TRUE(Runner(suite, editors(), options("i")).run(vlm).finished);
  EXPECT_EQ(without_timings(path("i/results.json")), before);
}

TEST_F(RunnerTest, RefusesAFolderThatIsNotARun) {
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

TEST_F(RunnerTest, RefusesSamplesInAnotherOrder) {
  FakeSuite suite(2);
  run(suite, options("j"));
  auto bytes = read_file(path("j/samples.jsonl"));
  auto first = bytes.substr(0, bytes.find('\n') + 1);
  write_file(path("j/samples.jsonl"), first + first);
  EXPECT_THAT(refusal([&] { run(suite, options("j")); }), HasSubstr("line 2"));
  write_file(path("j/samples.jsonl"), bytes + first);
  EXPECT_THAT(refusal([&] { run(suite, options("j")); }), HasSubstr("more lines"));
}

TEST(Schedule, ComputesPointsAndSamples) {
  using Points = std::vector<size_t>;
  EXPECT_EQ(judge_points({100, 1, 10}, 25, 1), (Points{1, 10, 25}));
  EXPECT_EQ(judge_points({100, 1, 10}, 25, 4), (Points{4, 12, 25}));
  EXPECT_EQ(judge_points({24, 1}, 25, 50), (Points{25}));
  EXPECT_EQ(judge_points({1, 10, 10, 0}, 10, 1), (Points{1, 10}));
  EXPECT_EQ(judge_points({}, 3, 1), (Points{3}));
  EXPECT_EQ(judged_again(1, 3, 5), (Points{0, 1, 2}));
  auto sample = judged_again(1, 1000, 50);
  EXPECT_EQ(sample.size(), 50u);
  EXPECT_TRUE(std::is_sorted(sample.begin(), sample.end()));
  EXPECT_EQ(std::adjacent_find(sample.begin(), sample.end()), sample.end());
  EXPECT_LT(sample.back(), 1000u);
  EXPECT_EQ(sample, judged_again(1, 1000, 50));
  EXPECT_NE(sample, judged_again(2, 1000, 50));
}

}  // namespace
}  // namespace emend
