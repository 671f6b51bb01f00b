#include <gtest/gtest.h>

#include "suites/scenes/scenes.h"

namespace emend::scenes {
namespace {

TEST(ScenesSubjects, AreWordsOfTheQuestion) {
  EXPECT_EQ(subject_of({Kind::color, "colour/star", 0, "What color is the star?", "red"}), "star");
  EXPECT_EQ(subject_of({Kind::presence, "is/star/red", 0, "Is the star red?", "yes"}), "star");
  EXPECT_EQ(subject_of({Kind::presence, "presence/red star", 0, "Is there a red star?", "yes"}),
            "red star");
  EXPECT_EQ(subject_of({Kind::count, "count", 0, "How many objects are there?", "2"}), "");
  EXPECT_EQ(
      subject_of({Kind::fact, "fact/capital/France", 0, "What is the capital of France?", "Paris"}),
      "France");
  const auto& name = creatures()[0].name;
  EXPECT_EQ(subject_of({Kind::fact, "fact/" + name + "/home", 0, "Where does " + name + " live?",
                        "the lake"}),
            name);
}

TEST(ScenesSubjects, EveryFactHasOne) {
  for (auto split : {Split::pretrain, Split::eval})
    for (const auto& fact : facts(split)) {
      const auto subject = subject_of(fact);
      EXPECT_FALSE(subject.empty()) << fact.topic << " " << fact.text;
      EXPECT_NE(fact.text.find(subject), std::string::npos);
    }
}

TEST(ScenesSubjects, RecordsHaveThem) {
  size_t subjects = 0;
  for (uint64_t seed = 0; seed < 30; ++seed) {
    const auto record = counterfactual(Split::eval, seed);
    if (record.subject.empty()) continue;
    ++subjects;
    EXPECT_NE(record.prompt.find(record.subject), std::string::npos);
    for (const auto& probe : record.probes)
      if (probe.group == Group::text_locality) {
        EXPECT_NE(probe.text.find(probe.subject), std::string::npos);
        EXPECT_FALSE(probe.subject.empty());
      }
  }
  EXPECT_GT(subjects, 10u);
}

}  // namespace
}  // namespace emend::scenes
