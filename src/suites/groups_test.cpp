#include "suites/groups.h"

#include <gtest/gtest.h>

#include <set>

namespace emend {
namespace {

TEST(Groups, EveryGroupHasOneRowAtTheIndexOfItsValue) {
  std::set<std::string> names, titles;
  for (size_t i = 0; i < group_infos().size(); ++i) {
    const auto& info = group_infos()[i];
    EXPECT_EQ(static_cast<size_t>(info.group), i) << info.name;
    EXPECT_EQ(find_group(info.name), info.group);
    EXPECT_TRUE(names.insert(info.name).second) << info.name;
    EXPECT_TRUE(titles.insert(info.title).second) << info.title;
    EXPECT_EQ(std::string(info.question).back(), '?') << info.name;
  }
  EXPECT_EQ(group_infos().size(), static_cast<size_t>(Group::portability) + 1);
  EXPECT_FALSE(find_group("no_such_group"));
}

TEST(Groups, FiveMetricsAreThoseOfThePaper) {
  std::vector<std::string> titles;
  for (const auto& info : group_infos())
    if (info.in_paper_table) titles.push_back(info.title);
  EXPECT_EQ(titles, (std::vector<std::string>{"Reliability", "T-Generality", "M-Generality",
                                              "T-Locality", "M-Locality"}));
}

TEST(Groups, AnswersStayUnchangedInLocalityGroupsOnly) {
  for (const auto& info : group_infos())
    EXPECT_EQ(is_locality(info.group), std::string(info.name).ends_with("locality")) << info.name;
}

}  // namespace
}  // namespace emend
