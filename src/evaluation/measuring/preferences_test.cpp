#include "evaluation/measuring/preferences.h"

#include <gtest/gtest.h>

#include <cmath>

#include "evaluation/measuring/averages.h"
#include "evaluation/testing/tiny_record.h"

namespace emend {
namespace {

class PreferencesTest : public TinyVlmTest {
 protected:
  static Record with_alternatives() {
    auto changed = record();
    for (auto& probe : changed.probes)
      if (probe.group != Group::portability)
        probe.alternative = is_locality(probe.group) ? "cat" : "a large dog";
    return changed;
  }
  // The mean log-probability of an answer in a separate pass.
  static double alone_mean(ProbeResult probe, const std::string& answer,
                           const Interventions& interventions) {
    probe.query.target = continuation({}, answer);
    const auto row = alone(probe, interventions);
    const auto log = at::log_softmax(row.logits, -1);
    double sum = 0;
    int64_t count = 0;
    for (auto i = row.answer_begin; i < static_cast<int64_t>(row.tokens.size()); ++i, ++count)
      sum += log[row.num_image_tokens + i - 1][row.tokens[static_cast<size_t>(i)]].item<double>();
    return sum / static_cast<double>(count);
  }
};

TEST_F(PreferencesTest, AreThoseOfSeparatePasses) {
  for (const char* sites : {"language_model.model.decoder.layers.2.*", "qformer.*"})
    for (bool reuse : {true, false}) {
      const auto baseline = measure_baseline(vlm(), with_alternatives(), {}, {}, {.reuse = reuse});
      const auto edit = noise(sites, 9, 0.2);
      int64_t compared = 0;
      for (const auto& probe : measure(vlm(), baseline, edit).probes) {
        ASSERT_EQ(probe.preference.has_value(), !probe.query.alternative.empty());
        if (!probe.preference) continue;
        ++compared;
        EXPECT_NEAR(probe.preference->expected, alone_mean(probe, probe.query.expected, edit), 1e-4)
            << probe.query.prompt;
        EXPECT_NEAR(probe.preference->alternative, alone_mean(probe, probe.query.alternative, edit),
                    1e-4)
            << probe.query.prompt;
      }
      EXPECT_EQ(compared, 5) << "the question of the edit has no probe, so no alternative";
    }
}

TEST_F(PreferencesTest, AreOfScopedEdits) {
  const auto baseline = measure_baseline(vlm(), with_alternatives());
  auto edit = noise("language_model.model.decoder.layers.2.*", 9, 0.2);
  std::vector<bool> rows(baseline.queries.size());
  rows[1] = true;
  for (auto& intervention : edit) intervention = intervention.on_rows(rows);
  const auto scoped = measure(vlm(), baseline, edit);
  const auto unedited = measure(vlm(), baseline, {});
  for (size_t p = 0; p < rows.size(); ++p) {
    if (!scoped.probes[p].preference) continue;
    const auto difference = std::abs(scoped.probes[p].preference->alternative -
                                     unedited.probes[p].preference->alternative);
    EXPECT_EQ(difference > 1e-3, rows[p]) << p;
  }
}

TEST_F(PreferencesTest, OtherResultsDoNotDependOnAlternatives) {
  const auto edit = noise("language_model.model.decoder.layers.2.*", 9, 0.2);
  const auto with = measure(vlm(), measure_baseline(vlm(), with_alternatives()), edit);
  const auto without = measure(vlm(), measure_baseline(vlm(), record()), edit);
  for (size_t p = 0; p < with.probes.size(); ++p) {
    auto json = to_json(with.probes[p]);
    EXPECT_FALSE(to_json(without.probes[p]).contains("preference"));
    json.erase("preference");
    EXPECT_EQ(json, to_json(without.probes[p]));
  }
  PreferenceAverages averages;
  averages.add(without);
  EXPECT_TRUE(to_json(averages.scores()).empty());
}

TEST_F(PreferencesTest, StrictHasNone) {
  const auto baseline = measure_baseline(vlm(), with_alternatives(), make_protocol("strict"));
  EXPECT_TRUE(baseline.alternatives.empty());
  for (const auto& probe : measure(vlm(), baseline, {}).probes) EXPECT_FALSE(probe.preference);
}

TEST(PreferenceAverages, AreMeansOfRecordsOfMeansOverProbes) {
  const auto add = [](RecordResult& record, Group group, double expected, double alternative) {
    ProbeResult probe;
    probe.query.group = group;
    probe.preference = {std::log(expected), std::log(alternative)};
    record.probes.push_back(probe);
  };
  RecordResult first, second, third;
  add(first, Group::reliability, 0.5, 0.25);
  add(first, Group::text_locality, 0.5, 0.1);
  add(first, Group::text_locality, 0.1, 0.3);
  first.probes.push_back({});  // without an alternative
  add(second, Group::reliability, 0.25, 0.25);
  third.probes.push_back({});
  PreferenceAverages averages;
  for (const auto& record : {first, second, third}) averages.add(record);
  const auto json = to_json(averages.scores());
  ASSERT_EQ(json.size(), 2u);
  EXPECT_EQ(json["efficacy_score"]["score"], 0.5) << "equal probabilities are no success";
  EXPECT_NEAR(json["efficacy_score"]["magnitude"].get<double>(), 0.125, 1e-12);
  EXPECT_NEAR(json["efficacy_score"]["stderr"].get<double>(), 0.5, 1e-12);
  EXPECT_EQ(json["efficacy_score"]["probes"], 2);
  EXPECT_EQ(json["neighborhood_score"]["score"], 0.5);
  EXPECT_NEAR(json["neighborhood_score"]["magnitude"].get<double>(), 0.1, 1e-12);
  EXPECT_EQ(json["neighborhood_score"]["probes"], 2);
  EXPECT_FALSE(json["neighborhood_score"].contains("stderr"));
}

}  // namespace
}  // namespace emend
