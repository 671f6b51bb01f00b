#include "io/error.h"

#include <gtest/gtest.h>

namespace emend {
namespace {

TEST(Error, IsOneLineWithPlaceAndHint) {
  EXPECT_STREQ("[io::x] it is wrong. Hint: do this",
               Error("io::x", "it is wrong", "do this").what());
  EXPECT_STREQ("[io::x] a b. Hint: c d", Error("io::x", "a\nb", "c\td").what());
  EXPECT_STREQ("[io::x] is it? Hint: no", Error("io::x", "is it?", "no").what());
}

TEST(Error, HasAProblemAndAHint) {
  const auto parts = error_parts(Error("io::x", "it is wrong", "do this").what());
  EXPECT_EQ(parts.problem, "it is wrong.");
  EXPECT_EQ(parts.hint, "do this");
  EXPECT_EQ(error_parts("out of memory").problem, "out of memory");
  EXPECT_EQ(error_parts("out of memory").hint, "");
}

TEST(Error, ShortensLongNames) {
  const std::string name(5000, 'a');
  const std::string said = Error("io::x", "there is no folder '" + name + "' here", "check").what();
  EXPECT_LT(said.size(), 300u);
  EXPECT_NE(said.find("there is no folder 'aaaa"), std::string::npos) << said;
  EXPECT_NE(said.find("aaaa...aaaa"), std::string::npos) << said;
  EXPECT_NE(said.find("aaaa' here. Hint: check"), std::string::npos) << said;

  const std::string path = "/home/somebody/" + std::string(250, 'b');
  EXPECT_NE(std::string(Error("io::x", path, "check").what()).find(path), std::string::npos)
      << "a name of ordinary length is not shortened";
}

TEST(Error, CutsBetweenCharacters) {
  std::string name;
  for (int i = 0; i < 2000; ++i) name += "\u20ac";
  for (const char* before : {"", "a", "ab"}) {
    const std::string said = Error("io::x", before + name, "check").what();
    EXPECT_LT(said.size(), 300u);
    for (size_t at = said.find("\xe2"); at < said.find_last_of('\xac'); at += 3) {
      if (said.compare(at, 3, "...") == 0) continue;
      EXPECT_EQ("\u20ac", said.substr(at, 3)) << at << " of " << said;
    }
  }
}

TEST(Error, ShortensLongMessages) {
  std::string words;
  for (int i = 0; i < 10000; ++i) words += "word ";
  EXPECT_LT(std::string(Error("io::x", words, "check").what()).size(), 4100u);
}

TEST(Error, LosesItsPlacesForUsers) {
  EXPECT_EQ(without_places("[io::image] 'a.png' is empty. Hint: b"), "'a.png' is empty. Hint: b");
  EXPECT_EQ(without_places("ft failed: [editing::mend-iterated] no [x] at [0] a::b"),
            "ft failed: no [x] at [0] a::b");
  EXPECT_EQ(without_places("[io::"), "[io::");
}

}  // namespace
}  // namespace emend
