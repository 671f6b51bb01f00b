#include "evaluation/bench/oracle.h"

#include <gtest/gtest.h>

#include "io/error.h"

namespace emend {
namespace {

Record edit_of(const std::string& fact, const std::string& target) {
  Record record;
  record.fact = fact;
  record.target = target;
  return record;
}

ProbeResult probe_of(Group group, const std::string& fact, const std::string& before,
                     const std::string& expected) {
  ProbeResult probe;
  probe.query.group = group;
  probe.query.fact = fact;
  probe.query.expected = expected;
  probe.before = before;
  probe.score = before == expected;
  return probe;
}

TEST(OracleTest, LatestEditOfAFactDecides) {
  Oracle oracle;
  oracle.add(edit_of("star", "red"));
  oracle.add(edit_of("moon", "blue"));
  oracle.add(edit_of("star", "green"));
  RecordResult unedited;
  unedited.probes = {probe_of(Group::reliability, "star", "white", "red"),
                     probe_of(Group::image_generality, "moon", "white", "blue"),
                     probe_of(Group::image_locality, "star", "white", "white"),
                     probe_of(Group::text_locality, "sun", "yes", "no"),
                     probe_of(Group::portability, "heart", "yes", "no")};
  unedited.probes[3].score = 1;  // agreement with the answer before
  const auto judged = oracle.judge(unedited);
  EXPECT_EQ(judged.probes[0].after, "green");
  EXPECT_EQ(judged.scores.at(Group::reliability).score, 0);
  EXPECT_EQ(judged.scores.at(Group::image_generality).score, 1);
  EXPECT_EQ(judged.scores.at(Group::image_locality).score, 0);
  EXPECT_EQ(judged.scores.at(Group::text_locality).score, 1);
  EXPECT_EQ(judged.scores.at(Group::portability).score, 1);
}

TEST(OracleTest, RecordWithoutAFactIsRefused) {
  Oracle oracle;
  EXPECT_THROW(oracle.add(edit_of("", "red")), Error);
}

}  // namespace
}  // namespace emend
