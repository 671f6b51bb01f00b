#include "rewordings.h"

#include <gtest/gtest.h>

#include <set>

namespace emend::photos {
namespace {

// The rewordings, one after another.
std::string reworded(const std::string& question) {
  std::string all;
  for (const auto& one : reword_question(question)) all += (all.empty() ? "" : " / ") + one.text;
  return all.empty() ? "none" : all;
}

TEST(Rewordings, AskForTheSame) {
  EXPECT_EQ(reworded("What is the colour of the chairs?"), "Name the color of the chairs.");
  EXPECT_EQ(reworded("What color are the handles of the cabinets?"),
            "What is the color of the handles of the cabinets?");
  EXPECT_EQ(reworded("How many racks are there in the wall?"),
            "What is the number of racks in the wall? / Count the racks in the wall.");
  EXPECT_EQ(reworded("How many toy boxes are on the shelf?"),
            "What is the number of toy boxes that are on the shelf? / "
            "Count the toy boxes that are on the shelf.");
  EXPECT_EQ(reworded("How many flags can be seen?"),
            "What is the number of flags that can be seen? / Count the flags that can be seen.");
  EXPECT_EQ(reworded("How many wine bottles are?"),
            "What is the number of wine bottles? / Count the wine bottles.");
  EXPECT_EQ(reworded("How many doors?"), "What is the number of doors? / Count the doors.");
  EXPECT_EQ(reworded("What is the largest object in this picture?"),
            "Which object in this picture is the largest?");
  EXPECT_EQ(reworded("What is the smallest black object on the counter?"),
            "Which black object on the counter is the smallest?");
  EXPECT_EQ(reworded("What is the object close to the wall?"),
            "Which object is near the wall? / Name the object that is near the wall.");
  EXPECT_EQ(reworded("What are the things hanged on the wall?"),
            "Which things are hung on the wall? / Name the things that are hung on the wall.");
  EXPECT_EQ(reworded("What object is found on the cabinet?"),
            "What is the object that is found on the cabinet?");
  EXPECT_EQ(reworded("What objects are on the table?"),
            "What are the objects that are on the table?");
  EXPECT_EQ(reworded("What is beneath the window?"),
            "Which object is under the window? / Name the object that is under the window.");
  EXPECT_EQ(reworded("What are stuck on it?"),
            "Which objects are stuck on it? / Name the objects that are stuck on it.");
}

TEST(Rewordings, DoNotFitOtherQuestions) {
  for (const char* question :
       {"What is the ball on the table?", "What is left side of the bed?", "What at the corner?",
        "How many legs does the chair have?", "Where is the lamp?", "What is?", "", "How many?",
        "What is on the right side of the image1165?"})
    EXPECT_EQ(reworded(question), "none") << question;
}

TEST(Rewordings, NameTheirRule) {
  const auto found = reword_question("How many doors?");
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[1].rule, "number");
}

TEST(Rewordings, OfThePromptOfCaptionsAreDifferent) {
  const std::set<std::string> distinct(caption_prompts().begin(), caption_prompts().end());
  EXPECT_EQ(distinct.size(), caption_prompts().size());
  EXPECT_EQ(distinct.count("a photo of"), 0u);
}

TEST(Rewordings, KnowSidesAndColors) {
  EXPECT_TRUE(names_a_side("What is on the Left side?"));
  EXPECT_TRUE(names_a_side("the rightmost chair"));
  EXPECT_FALSE(names_a_side("What is on the table?"));
  EXPECT_FALSE(names_a_side("a bright lamp"));
  EXPECT_TRUE(names_a_color("What is the colour of the bag?"));
  EXPECT_TRUE(names_a_color("a Red ball"));
  EXPECT_FALSE(names_a_color("a predator in a tank"));
}

}  // namespace
}  // namespace emend::photos
