#include "evaluation/bench/runner.h"

#include <filesystem>

#include "editing/patches/patch_stack.h"
#include "evaluation/bench/testing/runner_fixture.h"
#include "evaluation/measuring/averages.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using Mode = RunOptions::Mode;

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
              HasSubstr("2 edits of the suite must be applied together"));
  auto batch = options("pairs", Mode::batch);
  batch.batch_size = 3;
  EXPECT_THAT(refused(batch), HasSubstr("multiple of 2"));
  batch.batch_size = 4;
  EXPECT_EQ(refused(batch), "no error");
  EXPECT_EQ(refused(options("pairs", Mode::sequential)), "no error");
}

TEST_F(RunnerTest, RefusesOptionsThatTheModeIgnores) {
  FakeSuite suite(4);
  const auto refused = [&](RunOptions options) {
    return error_of([&] { Runner(suite, editors(), std::move(options)); });
  };
  auto ignored = options("ignored");
  ignored.batch_size = 2;
  EXPECT_THAT(refused(ignored), HasSubstr("--batch-size has no effect in single mode"));
  for (const auto mode : {Mode::single, Mode::batch}) {
    ignored = options("ignored", mode);
    ignored.judge_at = {2};
    EXPECT_THAT(refused(ignored), HasSubstr("--judge-at has no effect in "));
    ignored = options("ignored", mode);
    ignored.judge_sample = 2;
    EXPECT_THAT(refused(ignored), HasSubstr("--judge-sample has no effect in "));
  }
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

}  // namespace
}  // namespace emend
