#include "evaluation/edits/edit_question.h"

#include <gtest/gtest.h>

#include <map>

#include "tests/tiny_vlm.h"

namespace emend {
namespace {

TEST(EditQuestionTest, DefaultRecordHasTheRequestedProbes) {
  for (auto world : {ProbeWorld::scenes, ProbeWorld::general}) {
    EditQuestion question;
    question.prompt = "What color is the star?";
    question.target = "red";
    question.rephrasings = {"star, which color?"};
    question.other_pictures = {{"", testing::noise_image(1)}};
    auto record = default_record(question, {world, 7, 7}, 3);
    std::map<Group, int> counts;
    for (const auto& probe : record.probes) {
      ++counts[probe.group];
      bool picture = probe.group == Group::image_locality || probe.group == Group::image_generality;
      EXPECT_EQ(probe.image.present(), picture);
    }
    EXPECT_EQ(counts[Group::reliability], 1);
    EXPECT_EQ(counts[Group::text_generality], 1);
    EXPECT_EQ(counts[Group::image_generality], 1);
    EXPECT_EQ(counts[Group::text_locality], 7);
    EXPECT_EQ(counts[Group::image_locality], 7);
    // The same seed gives the same probes.
    auto again = default_record(question, {world, 7, 7}, 3);
    for (size_t i = 0; i < record.probes.size(); ++i)
      EXPECT_EQ(record.probes[i].text, again.probes[i].text);
  }
}

TEST(EditQuestionTest, AltersThePictureWhenNoOtherPictureIsGiven) {
  EditQuestion question;
  question.image = {"", testing::noise_image(1, 37)};
  question.prompt = "What?";
  question.target = "x";
  question.consequences = {{"So?", "yes"}};
  auto record = default_record(question, {ProbeWorld::scenes, 1, 1}, 3),
       again = default_record(question, {ProbeWorld::scenes, 1, 1}, 3);
  int copies = 0, consequences = 0;
  for (size_t i = 0; i < record.probes.size(); ++i) {
    const auto& probe = record.probes[i];
    consequences += probe.group == Group::portability && probe.answer == "yes";
    if (probe.group != Group::image_generality) continue;
    ++copies;
    auto copy = probe.image.load();
    EXPECT_EQ(copy.width, 37);
    EXPECT_EQ(copy.rgb.size(), 37u * 37 * 3);
    EXPECT_NE(copy.rgb, question.image.load().rgb);
    EXPECT_EQ(copy.rgb, again.probes[i].image.load().rgb);
  }
  EXPECT_EQ(copies, 5);
  EXPECT_EQ(consequences, 1);
}

TEST(EditQuestionTest, LocalityQuestionsOfTheUserBecomeProbes) {
  EditQuestion question;
  question.prompt = "What?";
  question.target = "x";
  question.locality = {{{}, "Who?", "Tom"}, {{"", testing::noise_image(1)}, "Where?", ""}};
  const auto record = default_record(question, {}, 3);
  ASSERT_EQ(record.probes.size(), 3u);
  EXPECT_EQ(record.probes[1].group, Group::text_locality);
  EXPECT_EQ(record.probes[1].answer, "Tom");
  EXPECT_EQ(record.probes[2].group, Group::image_locality);
  EXPECT_TRUE(record.probes[2].image.present());
  EXPECT_EQ(record.probes[2].answer, "");
}

}  // namespace
}  // namespace emend
