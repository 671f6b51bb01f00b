#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "evaluation/measuring/averages.h"
#include "evaluation/probes/scenes_probes.h"
#include "evaluation/testing/tiny_record.h"
#include "io/error.h"

namespace emend {
namespace {

class MeasureTest : public TinyVlmTest {};

TEST_F(MeasureTest, UneditedModelHasLocalityOne) {
  auto patch = make_editor("ft", {{"steps", 0}})->edit(vlm(), {request()});
  auto everywhere = noise("*", 1, 0);  // zero changes from the first stage on
  for (const auto& name : protocol_names())
    for (bool reuse : {true, false}) {
      auto baseline = measure_baseline(vlm(), record(), make_protocol(name), {}, {.reuse = reuse});
      for (const auto& interventions : {Interventions{}, patch.interventions(vlm()), everywhere}) {
        auto measured = measure(vlm(), baseline, interventions);
        for (auto group : {Group::text_locality, Group::image_locality}) {
          EXPECT_EQ(measured.scores[group].score, 1.0) << name;
          EXPECT_EQ(measured.scores[group].generated, 1.0) << name;
          EXPECT_EQ(measured.scores[group].vqa, 1.0) << name;
        }
        EXPECT_EQ(measured.scores[Group::text_locality].probes, 2);
        EXPECT_LT(measured.scores[Group::reliability].score, 1.0);  // the answer is not cat
        for (const auto& probe : measured.probes) EXPECT_EQ(probe.before, probe.after);
      }
    }
}

TEST_F(MeasureTest, DestroyedModelScoresNearZero) {
  // A destroyed model with 260 tokens may give a right token by chance, but rarely several.
  for (const auto& name : protocol_names()) {
    auto protocol = make_protocol(name);
    protocol.max_new_tokens = 6;
    auto baseline = measure_baseline(vlm(), record(), protocol);
    Averages averages;
    for (uint64_t seed = 0; seed < 8; ++seed)
      averages.add(measure(vlm(), baseline, noise("*", seed)));
    auto scores = averages.scores();
    EXPECT_LT(scores[Group::text_locality].score, 0.1) << name;
    EXPECT_LT(scores[Group::image_locality].score, 0.1) << name;
    EXPECT_LT(scores[Group::reliability].score, 0.1) << name;
    EXPECT_EQ(scores[Group::reliability].generated, 0) << name;
  }
}

TEST_F(MeasureTest, EditThatHoldsIsReliable) {
  auto baseline = measure_baseline(vlm(), record());
  auto patch = make_editor("ft", {{"lr", 0.02}, {"steps", 300}})->edit(vlm(), {request()});
  auto measured = measure(vlm(), baseline, patch.interventions(vlm()));
  EXPECT_EQ(measured.scores[Group::reliability].score, 1);
  EXPECT_EQ(measured.scores[Group::reliability].generated, 1);
  auto& first = measured.probes.at(0);
  EXPECT_EQ(first.query.group, Group::reliability);
  EXPECT_EQ(first.after, "cat");
  EXPECT_NE(first.before, "cat");
  EXPECT_EQ(measured.scores.size(), 6u);
}

// Compares with whole passes of one probe at a time and direct calls of the metrics.
TEST_F(MeasureTest, ScoresEqualTheMetrics) {
  for (const std::string name : {"mmedit-2024", "easyedit-trainer", "easyedit-editor"}) {
    auto protocol = make_protocol(name);
    protocol.generate_answers = false;
    auto baseline = measure_baseline(vlm(), record(), protocol);
    for (const std::string sites :
         {"language_model.model.decoder.layers.2.*", "qformer.*", "vision_model.*.layers.1.*"}) {
      auto edit = noise(sites, 9, 0.04);
      for (const auto& probe : measure(vlm(), baseline, edit).probes) {
        auto old_row = alone(probe, {}), new_row = alone(probe, edit);
        auto length = new_row.logits.size(0);
        const auto logits = new_row.logits.unsqueeze(0);
        double expected;
        if (is_locality(probe.query.group)) {
          expected = locality(old_row.logits.unsqueeze(0), logits, at::ones({1, length}, at::kBool),
                              probe.query.group == Group::image_locality ? 10 : 1,
                              ranking_of(protocol, vlm()));
        } else {
          auto labels = at::full({1, length}, kIgnored, at::kLong);
          for (auto i = new_row.answer_begin; i < static_cast<int64_t>(new_row.tokens.size()); ++i)
            labels[0][new_row.num_image_tokens + i] = new_row.tokens[static_cast<size_t>(i)];
          expected = name == "easyedit-editor" ? token_accuracy(logits, labels)
                                               : exact_match(logits, labels);
        }
        // Another padded shape may swap the ranks of near ties.
        const double rounding = is_locality(probe.query.group) ? 0.02 : 0;
        EXPECT_NEAR(probe.score, expected, rounding) << name << sites << probe.query.prompt;
      }
    }
  }
}

TEST_F(MeasureTest, WithoutGenerationAnswersAreTeacherForcedTokens) {
  Protocol protocol;
  protocol.generate_answers = false;
  auto baseline = measure_baseline(vlm(), record(), protocol);
  for (const auto& batch : baseline.batches) EXPECT_TRUE(batch.prompts.batch.rows.empty());
  for (const auto& probe : measure(vlm(), baseline, noise("qformer.*", 3, 0.3)).probes) {
    auto row = alone(probe, noise("qformer.*", 3, 0.3));
    auto best = row.logits.argmax(-1);
    std::vector<int64_t> tokens;
    for (auto i = row.answer_begin; i < static_cast<int64_t>(row.tokens.size()); ++i)
      tokens.push_back(best[row.num_image_tokens + i - 1].item<int64_t>());
    EXPECT_EQ(probe.after, answer_text(vlm().processor, tokens));
    EXPECT_EQ(probe.generated,
              same_answer(probe.after,
                          is_locality(probe.query.group) ? probe.before : probe.query.expected));
  }
}

TEST_F(MeasureTest, StrictHidesTheTarget) {
  auto protocol = make_protocol("strict");
  protocol.max_new_tokens = 4;
  // Records the requests that an editor receives.
  std::vector<Row> seen;
  auto spy = Intervention::request([&](const Batch& batch) {
    seen.insert(seen.end(), batch.rows.begin(), batch.rows.end());
    return batch;
  });
  auto baseline = measure_baseline(vlm(), record(), protocol);
  for (const auto& batch : baseline.batches) EXPECT_TRUE(batch.forced.batch.rows.empty());
  auto measured = measure(vlm(), baseline, {spy});
  ASSERT_EQ(seen.size(), measured.probes.size());
  size_t next = 0;
  for (const auto& batch : baseline.batches)
    for (auto i : batch.probes) {
      const auto& query = measured.probes[i].query;
      const auto prompt = vlm().processor.row(query.prompt, query.image.present() ? 0 : -1);
      EXPECT_EQ(seen[next++].ids, prompt.ids);  // the question without the answer
    }
  for (const auto& probe : measured.probes) EXPECT_EQ(probe.score, probe.generated);
}

TEST_F(MeasureTest, GeneratedAnswersEqualSeparateGeneration) {
  auto edit = noise("*.layers.2.*", 5, 0.1);
  for (const auto& name : protocol_names()) {
    auto baseline = measure_baseline(vlm(), record(), make_protocol(name));
    for (const auto& probe : measure(vlm(), baseline, edit).probes) {
      const auto& query = probe.query;
      auto image = query.image.present() ? std::optional(query.image.load()) : std::nullopt;
      EXPECT_EQ(probe.before, generate(vlm(), {{image, query.prompt}}).at(0));
      EXPECT_EQ(probe.after, generate(vlm(), {{image, query.prompt}}, edit).at(0));
    }
  }
}

TEST_F(MeasureTest, StrictScoresTheGeneratedAnswer) {
  auto baseline = measure_baseline(vlm(), record(), make_protocol("strict"));
  auto patch = make_editor("ft", {{"lr", 0.02}, {"steps", 300}})->edit(vlm(), {request()});
  auto measured = measure(vlm(), baseline, patch.interventions(vlm()));
  EXPECT_EQ(measured.probes.at(0).after, "cat");
  EXPECT_EQ(measured.scores[Group::reliability].score, 1);
  for (const auto& probe : measured.probes)
    if (is_locality(probe.query.group)) {
      EXPECT_EQ(probe.score, same_answer(probe.after, probe.before));
    }
}

TEST_F(MeasureTest, RefusesNanLogits) {
  auto baseline = measure_baseline(vlm(), record());
  auto edit = noise("language_model.lm_head");
  edit[0].delta.dense.fill_(std::numeric_limits<float>::quiet_NaN());
  EXPECT_THROW(measure(vlm(), baseline, edit), Error);
  EXPECT_THROW(measure(vlm(), measure_baseline(vlm(), record(), make_protocol("strict")), edit),
               Error);
}

TEST_F(MeasureTest, WritesTheSampleOfAProbe) {
  auto asked = record();
  asked.probes.push_back({Group::no_image_locality, {}, "Tell what this is?", "cat", true});
  auto measured = measure(vlm(), measure_baseline(vlm(), asked), {});
  auto json = to_json(measured.probes.at(0));
  EXPECT_EQ(json["group"], "reliability");
  EXPECT_EQ(json["text"], "edited");
  EXPECT_EQ(json["picture"], "edited");
  EXPECT_EQ(json["image"], "pictures/" + picture_hash(*asked.image.drawn) + ".png");
  EXPECT_EQ(json["expected"], "cat");
  for (const char* key : {"prompt", "before", "after"}) EXPECT_TRUE(json[key].is_string());
  for (const char* key : {"score", "generated", "vqa"}) EXPECT_TRUE(json[key].is_number());
  EXPECT_NO_THROW(json.dump());
  json = to_json(measured.probes.back());
  EXPECT_EQ(json["text"], "similar");
  EXPECT_EQ(json["picture"], "none");
  EXPECT_TRUE(json["image"].is_null());
}

TEST_F(MeasureTest, FindsAndCorrectsErrorsOfAModel) {
  ErrorSearch search;
  search.count = 3;
  search.limit = 32;
  size_t asked = 0;
  auto records = find_errors(vlm(), search, {}, &asked);
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(asked, 16u);
  for (const auto& record : records) {
    EXPECT_FALSE(same_answer(record.before, record.target));
    EXPECT_TRUE(record.image.present());
    EXPECT_FALSE(record.probes.empty());
  }
}

}  // namespace
}  // namespace emend
