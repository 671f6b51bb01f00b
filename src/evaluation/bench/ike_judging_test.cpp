#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "editing/editors/ike/prompt_rewriter.h"
#include "evaluation/testing/tiny_record.h"
#include "evaluation/training/collect_demonstrations.h"
#include "io/error.h"

namespace emend {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Collects demonstrations for IKE and judges its edits.
class IkeJudgingTest : public TinyVlmTest {
 protected:
  static void SetUpTestSuite() {
    TinyVlmTest::SetUpTestSuite();
    std::filesystem::create_directories(vlm().folder + "/editors");
    CollectJob job;
    const Records suite;
    job.suite = &suite;
    job.protocol = for_editor({}, "ike");
    job.output = vlm().folder + "/editors/ike.safetensors";
    job.settings.records = 3;
    facts_ = collect_demonstrations(vlm(), job);
  }
  // The same record several times.
  struct Records : Suite {
    size_t size() const override { return 5; }
    Record record(size_t index) const override {
      auto record = TinyVlmTest::record();
      record.target = "cat " + std::to_string(index);
      return record;
    }
    nlohmann::json metadata() const override { return {{"name", "records"}}; }
  };
  static Patch edit(const Protocol& protocol, const nlohmann::json& settings = {{"k", 2}}) {
    const EditRequest request{record().image, edit_prompt(protocol, record()),
                              continuation(protocol, record().target)};
    return make_editor("ike", settings)->edit(vlm(), {request});
  }
  inline static nlohmann::json facts_;
};

TEST_F(IkeJudgingTest, CollectsThreeKindsOfEachRecord) {
  EXPECT_EQ(facts_["records"], 3);
  EXPECT_EQ(facts_["kinds"], nlohmann::json({{"copy", 3}, {"update", 3}, {"retain", 3}}));
  EXPECT_EQ(facts_["protocol"]["exception_for"], "ike");
  const auto corpus = IkeCorpus::load(vlm(), vlm().folder + "/editors/ike.safetensors");
  ASSERT_EQ(corpus.demonstrations.size(), 9u);
  const IkeTemplates templates;
  EXPECT_EQ(templates.format_demonstration(corpus.demonstrations[3]),
            "New Fact: What is this? cat 1\nPrompt: What is this? cat 1\n\n");
  EXPECT_EQ(templates.format_demonstration(corpus.demonstrations[4]),
            "New Fact: What is this? cat 1\nPrompt: Tell what this is? cat 1\n\n");
  EXPECT_EQ(templates.format_demonstration(corpus.demonstrations[5]),
            "New Fact: What is this? cat 1\nPrompt: Where is Rome? Italy\n\n");
  // Prompts are built as the protocol does.
  const auto wrapped = demonstrations_of(record(), make_protocol("strict"));
  ASSERT_EQ(wrapped.size(), 3u);
  EXPECT_EQ(wrapped[1].question, "Question: Tell what this is? Short answer:");
  EXPECT_EQ(wrapped[2].question, "Where is Rome?");
  auto bare = record();
  bare.probes.clear();
  EXPECT_EQ(demonstrations_of(bare, {}).size(), 1u);
}

TEST_F(IkeJudgingTest, KeepsPicturesIfRequested) {
  CollectJob job;
  const Records suite;
  job.suite = &suite;
  job.output = vlm().folder + "/pictures.safetensors";
  job.settings.images = true;
  collect_demonstrations(vlm(), job);
  const auto corpus = IkeCorpus::load(vlm(), job.output);
  ASSERT_EQ(corpus.pictures.size(0), 5);
  EXPECT_EQ(corpus.demonstrations[14].picture, 4);
  EXPECT_TRUE(at::equal(corpus.pictures[4], vlm().processor.pixels(record().image.load())));
}

TEST_F(IkeJudgingTest, EveryProtocolRuns) {
  for (const auto& name : protocol_names()) {
    const auto protocol = for_editor(make_protocol(name), "ike");
    const auto baseline = measure_baseline(vlm(), record(), protocol);
    const auto measured = measure(vlm(), baseline, edit(protocol).interventions(vlm()));
    ASSERT_EQ(measured.probes.size(), 7u) << name;
    for (const auto& probe : measured.probes) {
      EXPECT_GE(probe.score, 0) << name;
      EXPECT_LE(probe.score, 1) << name;
    }
    EXPECT_TRUE(std::any_of(measured.probes.begin(), measured.probes.end(), [](const auto& probe) {
      return probe.before != probe.after;
    })) << name;
  }
  // Without the exception for IKE, the protocol refuses the longer request.
  const auto baseline = measure_baseline(vlm(), record());
  EXPECT_THROW(measure(vlm(), baseline, edit({}).interventions(vlm())), Error);
}

TEST_F(IkeJudgingTest, SharedPrefixesDoNotChangeScores) {
  for (const auto& name : protocol_names()) {
    const auto protocol = for_editor(make_protocol(name), "ike");
    const auto patch = edit(protocol);
    const auto baseline = measure_baseline(vlm(), record(), protocol);
    MeasureOptions naive;
    naive.reuse = false;
    const auto alone = measure_baseline(vlm(), record(), protocol, {}, naive);
    const auto shared = measure(vlm(), baseline, patch.interventions(vlm()));
    const auto plain = measure(vlm(), alone, patch.interventions(vlm()));
    for (size_t i = 0; i < shared.probes.size(); ++i) {
      EXPECT_EQ(shared.probes[i].after, plain.probes[i].after) << name << i;
      // Rounding may swap near ties among the top 10.
      EXPECT_NEAR(shared.probes[i].score, plain.probes[i].score, 0.02) << name << i;
    }
  }
}

// Checks the input of the model when its generated answers are judged.
TEST_F(IkeJudgingTest, TargetIsOnlyInTheDemonstrations) {
  auto protocol = make_protocol("strict");
  auto unusual = record();
  unusual.target = "zyxw";
  for (auto& probe : unusual.probes)
    if (!is_locality(probe.group)) probe.answer = "zyxw";
  const auto baseline = measure_baseline(vlm(), unusual, protocol);
  const EditRequest request{unusual.image, edit_prompt(protocol, unusual), " zyxw"};
  for (bool own : {true, false}) {
    const auto patch =
        make_editor("ike", {{"k", 2}, {"copy_demonstration", own}})->edit(vlm(), {request});
    std::vector<std::string> seen;
    auto changes = patch.interventions(vlm());
    const auto rewrite = changes.at(0).rewrite;
    changes[0].rewrite = [&](const Batch& batch) {
      auto made = rewrite(batch);
      for (auto row : made.rows) {
        std::erase(row.ids, kImageToken);
        seen.push_back(vlm().processor.tokenizer->decode(row.ids));
      }
      return made;
    };
    const auto measured = measure(vlm(), baseline, changes);
    ASSERT_EQ(seen.size(), baseline.queries.size());
    for (const auto& text : seen) {
      size_t times = 0;
      for (size_t at = text.find("zyxw"); at != std::string::npos; at = text.find("zyxw", at + 1))
        ++times;
      EXPECT_EQ(times, own ? 3u : 1u) << text;
      // The last demonstration is the edit. The question after it must not contain the target.
      const auto question = text.substr(text.rfind("\nPrompt: ") + 9);
      EXPECT_THAT(question, Not(HasSubstr("zyxw")));
      EXPECT_TRUE(std::any_of(baseline.queries.begin(), baseline.queries.end(),
                              [&](const ProbeQuery& query) { return query.prompt == question; }))
          << question;
    }
  }
}

}  // namespace
}  // namespace emend
