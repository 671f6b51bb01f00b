#include "evaluation/bench/files/results_writer.h"

#include <gtest/gtest.h>

#include <cmath>

#include "io/error.h"

namespace emend {
namespace {

nlohmann::json run(const char* mode) {
  return {{"config", {{"suite", {{"name", "s"}}}, {"mode", mode}, {"protocol", {{"name", "p"}}}}},
          {"editors",
           {{{"label", "base"}, {"name", "base"}},
            {{"label", "e"}, {"name", "e"}, {"protocol", {{"name", "q"}}}}}}};
}

nlohmann::json scored_probe(const char* group, const char* text, const char* picture,
                            double score) {
  return {{"group", group}, {"text", text},     {"picture", picture},
          {"score", score}, {"generated", 1.0}, {"vqa", 0.5}};
}

nlohmann::json sample(int index, nlohmann::json probes) {
  return {{"editor", "e"}, {"index", index}, {"record", "r"}, {"probes", std::move(probes)}};
}

TEST(Results, AveragesRecordsOfAveragesOverProbes) {
  Results results(run("single"));
  results.add(sample(0, {scored_probe("reliability", "edited", "edited", 1),
                         scored_probe("text_generality", "similar", "edited", 1),
                         scored_probe("text_generality", "similar", "edited", 0),
                         scored_probe("text_generality", "similar", "edited", 0)}));
  results.add(sample(1, {scored_probe("reliability", "edited", "edited", 0),
                         scored_probe("text_generality", "similar", "edited", 1)}));
  auto failure = nlohmann::json{
      {"editor", "e"}, {"index", 2}, {"record", "torn"}, {"stage", "editing"}, {"failed", "why"}};
  results.add(failure);
  auto json = results.json(3, false);
  const auto& editor = json["editors"][1];
  EXPECT_EQ(editor["groups"]["reliability"]["score"], 0.5);
  EXPECT_DOUBLE_EQ(editor["groups"]["reliability"]["stderr"].get<double>(), 0.5);
  EXPECT_DOUBLE_EQ(editor["groups"]["text_generality"]["score"].get<double>(), (1 / 3. + 1) / 2);
  EXPECT_EQ(editor["groups"]["text_generality"]["probes"], 4);
  EXPECT_EQ(editor["groups"]["text_generality"]["vqa"], 0.5);
  EXPECT_EQ(editor["records"], 2);
  EXPECT_EQ(editor["failed"],
            nlohmann::json::parse(R"([{"record": "torn", "stage": "editing", "reason": "why"}])"));
  EXPECT_EQ(editor["grid"].size(), 2u);
  EXPECT_EQ(editor["grid"][1]["text"], "similar");
  EXPECT_EQ(editor["grid"][1]["expects"], "target");
  EXPECT_FALSE(editor.contains("curve"));
  // The name contains the protocol of the editor.
  EXPECT_EQ(json["results"]["s|e"]["reliability,q"], 0.5);
  EXPECT_EQ(json["results"]["s|e"]["rewrite_acc"], 0.5);
  EXPECT_TRUE(json["results"]["s|e"].contains("rephrase_acc"));
  EXPECT_FALSE(json["results"]["s|e"].contains("locality_acc"));
  EXPECT_EQ(json["n-samples"]["s|e"], nlohmann::json::parse(R"({"original": 3, "effective": 2})"));
  EXPECT_EQ(json["editors"][0]["records"], 0);
  EXPECT_TRUE(results.failed_editors().empty());
}

TEST(Results, HasTheScoresOfProbabilities) {
  Results results(run("sequential"));
  auto one = sample(0, {scored_probe("reliability", "edited", "edited", 1)});
  one["probes"][0]["preference"] = {{"alternative", "blue"},
                                    {"log_probability", {{"expected", -1}, {"alternative", -2}}}};
  results.add(one);
  one["reevaluated"] = true;
  one["after_edits"] = 1;
  one["probes"][0]["preference"]["log_probability"]["expected"] = -3;
  results.add(one);
  const auto editors = results.json(1, false)["editors"];
  EXPECT_FALSE(editors[0].contains("preferences"));
  EXPECT_EQ(editors[1]["preferences_when_made"]["efficacy_score"]["score"], 1);
  EXPECT_EQ(editors[1]["preferences"]["efficacy_score"]["score"], 0);
  EXPECT_EQ(editors[1]["curve"][0]["preferences"], editors[1]["preferences"]);
}

TEST(Results, PlacesSimilarProbesInTheGrid) {
  Results results(run("single"));
  results.add(sample(0, {scored_probe("random_image_locality", "edited", "unrelated", 1),
                         scored_probe("random_image_locality", "similar", "unrelated", 0),
                         scored_probe("consistent_image_locality", "unrelated", "similar", 0.5)}));
  auto grid = results.json(1, true)["editors"][1]["grid"];
  ASSERT_EQ(grid.size(), 3u);
  for (const auto& cell : grid) EXPECT_EQ(cell["expects"], "unchanged");
  EXPECT_EQ(grid[0]["score"], 1.0);
  EXPECT_EQ(grid[1]["text"], "similar");
  EXPECT_EQ(grid[1]["score"], 0.0);
  EXPECT_EQ(grid[2]["image"], "similar");
  EXPECT_EQ(results.json(1, true)["partial"], true);
}

TEST(Results, ReportsEditorsThatFailOnEveryRecord) {
  Results results(run("single"));
  results.add(
      {{"editor", "e"}, {"index", 0}, {"record", "a"}, {"stage", "editing"}, {"failed", "x"}});
  results.add(
      {{"editor", "e"}, {"index", 1}, {"record", "b"}, {"stage", "editing"}, {"failed", "y"}});
  EXPECT_EQ(results.failed_editors(), (std::map<std::string, std::string>{{"e", "x"}}));
  EXPECT_THROW(results.add({{"editor", "other"}}), Error);
}

TEST(Results, TimingsAreMeansOverAvailableValues) {
  Results results(run("single"));
  results.add_timing(
      {{"editor", "e"}, {"index", 0}, {"edit_seconds", 1.0}, {"judge_seconds", 2.0}});
  results.add_timing({{"editor", "e"}, {"index", 1}, {"judge_seconds", 4.0}});
  auto timing = results.json(2, false)["timings"]["e"];
  EXPECT_EQ(timing["edit_seconds"], 1.0);
  EXPECT_EQ(timing["judge_seconds"], 3.0);
  EXPECT_EQ(timing["judgements"], 2);
  EXPECT_FALSE(timing.contains("curve"));
}

TEST(Results, TimingsOfSequencesHaveACurve) {
  Results results(run("sequential"));
  for (int64_t edits = 1; edits <= 3; ++edits)
    results.add_timing({{"editor", "e"},
                        {"index", edits - 1},
                        {"after_edits", edits},
                        {"edit_seconds", static_cast<double>(edits)},
                        {"judge_seconds", 0.5}});
  for (int64_t edits : {1, 3})
    results.add_timing({{"editor", "e"},
                        {"index", 0},
                        {"after_edits", edits},
                        {"reevaluated", true},
                        {"judge_seconds", 2.0 * static_cast<double>(edits)}});
  const auto curve = results.json(3, false)["timings"]["e"]["curve"];
  ASSERT_EQ(curve.size(), 2u);
  EXPECT_EQ(curve[0], nlohmann::json({{"edits", 1}, {"edit_seconds", 1.0}, {"judge_seconds", 2.0}}));
  EXPECT_EQ(curve[1], nlohmann::json({{"edits", 3}, {"edit_seconds", 2.5}, {"judge_seconds", 6.0}}));
}

}  // namespace
}  // namespace emend
