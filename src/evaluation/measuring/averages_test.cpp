#include "evaluation/measuring/averages.h"

#include <gtest/gtest.h>

#include <cmath>

namespace emend {
namespace {

Score score(double score, double generated, double vqa, int64_t probes) {
  return {score, generated, vqa, probes};
}

ProbeResult probe(Group group, double score, double generated, bool similar = false) {
  ProbeResult result{};
  result.query.group = group;
  result.query.similar = similar;
  result.score = score;
  result.generated = result.vqa = generated;
  return result;
}

RecordResult measured(std::vector<ProbeResult> probes) { return {probes, means_by_group(probes)}; }

TEST(AveragesTest, AveragesRecordsWithEqualWeights) {
  RecordResult one, two;
  one.scores[Group::portability] = score(1.0, 0.5, 0.75, 4);
  two.scores[Group::portability] = score(0.0, 0.5, 0.25, 1);
  two.scores[Group::reliability] = score(1.0, 1.0, 1.0, 1);
  Averages averages;
  averages.add(one);
  averages.add(two);
  auto scores = averages.scores();
  EXPECT_DOUBLE_EQ(scores[Group::portability].score, 0.5);
  EXPECT_DOUBLE_EQ(scores[Group::portability].generated, 0.5);
  EXPECT_DOUBLE_EQ(scores[Group::portability].vqa, 0.5);
  EXPECT_EQ(scores[Group::portability].probes, 5);
  EXPECT_DOUBLE_EQ(scores[Group::reliability].score, 1);  // over the records with such probes
  EXPECT_EQ(averages.records(), 2);
}

TEST(AveragesTest, ComputesTheStandardError) {
  Averages averages;
  for (double value : {1.0, 0.0, 0.5, 1.0}) {
    RecordResult one;
    one.scores[Group::reliability] = score(value, 1, 1, 3);
    averages.add(one);
    auto now = averages.scores()[Group::reliability];
    // A single record has no standard error, so no number is written.
    EXPECT_EQ(std::isnan(now.error), averages.records() == 1);
    EXPECT_EQ(to_json(averages.scores())["reliability"].contains("stderr"), averages.records() > 1);
  }
  // Mean 0.625; squared distances 0.140625 + 0.390625 + 0.015625 + 0.140625 = 0.6875.
  auto mean = averages.scores()[Group::reliability];
  EXPECT_DOUBLE_EQ(mean.score, 0.625);
  EXPECT_DOUBLE_EQ(mean.error, std::sqrt(0.6875 / 3 / 4));
  EXPECT_DOUBLE_EQ(mean.generated, 1);
}

TEST(AveragesTest, AveragesTheProbesOfARecord) {
  auto means =
      means_by_group({probe(Group::text_locality, 1, 1), probe(Group::text_locality, 0, 1),
                      probe(Group::text_locality, 0.5, 0), probe(Group::reliability, 1, 1)});
  EXPECT_DOUBLE_EQ(means[Group::text_locality].score, 0.5);
  EXPECT_DOUBLE_EQ(means[Group::text_locality].generated, 2.0 / 3);
  EXPECT_EQ(means[Group::text_locality].probes, 3);
  EXPECT_EQ(means.size(), 2u);
}

TEST(AveragesTest, AveragesCellsOfTheGrid) {
  Averages averages;
  averages.add(
      measured({probe(Group::reliability, 1, 1), probe(Group::no_image_locality, 1, 1, false),
                probe(Group::no_image_locality, 0, 0, true), probe(Group::portability, 0, 0),
                probe(Group::text_locality, 0.5, 1)}));
  averages.add(
      measured({probe(Group::reliability, 0, 1), probe(Group::no_image_locality, 0, 1, true)}));
  auto grid = averages.grid();
  ASSERT_EQ(grid.size(), 4u);
  auto json = to_json(grid);
  EXPECT_EQ(json[0]["text"], "edited");
  EXPECT_EQ(json[0]["image"], "edited");
  EXPECT_EQ(json[0]["expects"], "target");
  EXPECT_EQ(json[0]["score"], 0.5);
  EXPECT_EQ(json[0]["stderr"], 0.5);  // 1 and 0: deviation sqrt(0.5), over sqrt(2)
  EXPECT_EQ(json[0]["generated"], 1.0);
  EXPECT_EQ(json[0]["probes"], 2);
  EXPECT_EQ(json[1]["text"], "edited");
  EXPECT_EQ(json[1]["image"], "none");
  EXPECT_EQ(json[1]["expects"], "unchanged");
  EXPECT_EQ(json[2]["text"], "similar");
  EXPECT_EQ(json[2]["generated"], 0.5);
  EXPECT_EQ(json[3]["text"], "unrelated");
  EXPECT_EQ(json[3]["image"], "none");
}

}  // namespace
}  // namespace emend
