#include "suites/counterfact.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "io/error.h"
#include "io/testing.h"

namespace emend {
namespace {

using json = nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

class CounterFactTest : public ::testing::Test {
 protected:
  static json flat() {
    return {{"case_id", 7},
            {"prompt", "The mother tongue of Jean is"},
            {"target_new", "English"},
            {"ground_truth", "French"},
            {"rephrase_prompt", "Jean speaks"},
            {"locality_prompt", "Jeanne speaks"},
            {"locality_ground_truth", "Breton"}};
  }
  static json released() {
    return {{"case_id", 7},
            {"requested_rewrite",
             {{"prompt", "The mother tongue of {} is"},
              {"subject", "Jean"},
              {"target_new", {{"str", "English"}, {"id", "Q1860"}}},
              {"target_true", {{"str", "French"}, {"id", "Q150"}}}}},
            {"paraphrase_prompts", {"Jean speaks", "Jean, a native speaker of"}},
            {"neighborhood_prompts", {"Jeanne speaks", "Pierre speaks", "Anne speaks"}}};
  }
  std::unique_ptr<Suite> open(const std::string& text) {
    std::ofstream(options_.data, std::ios::binary) << text;
    return open_suite("counterfact", options_);
  }
  std::string error(const std::string& text) {
    try {
      open(text);
    } catch (const Error& error) {
      return error.what();
    }
    return "none";
  }
  static std::vector<std::string> said(const Record& record) {
    std::vector<std::string> all;
    for (const auto& probe : record.probes) {
      EXPECT_FALSE(probe.image.present());
      const char* group = probe.group == Group::reliability       ? "rel"
                          : probe.group == Group::text_generality ? "gen"
                          : probe.group == Group::text_locality   ? "loc"
                                                                  : "?";
      all.push_back(std::string(group) + "|" + probe.text + "|" + probe.answer);
    }
    return all;
  }

  TemporaryFolder folder_;
  SuiteOptions options_ = [this] {
    SuiteOptions options;
    options.data = folder_.file("facts.json");
    return options;
  }();
};

TEST_F(CounterFactTest, ReadsBothFormsOfItsRows) {
  auto suite = open(json::array({flat(), released()}).dump());
  ASSERT_EQ(suite->size(), 2u);
  EXPECT_TRUE(suite->completions());
  for (size_t i : {0, 1}) {
    const auto record = suite->record(i);
    EXPECT_EQ(record.id, "counterfact-" + std::to_string(i));
    EXPECT_FALSE(record.image.present());
    EXPECT_EQ(record.prompt, "The mother tongue of Jean is");
    EXPECT_EQ(record.target, "English");
    EXPECT_EQ(record.truth, "French");
  }
  EXPECT_EQ(said(suite->record(0)),
            (std::vector<std::string>{"rel|The mother tongue of Jean is|English",
                                      "gen|Jean speaks|English", "loc|Jeanne speaks|Breton"}));
  EXPECT_EQ(said(suite->record(1)),
            (std::vector<std::string>{
                "rel|The mother tongue of Jean is|English", "gen|Jean speaks|English",
                "gen|Jean, a native speaker of|English", "loc|Jeanne speaks|French",
                "loc|Pierre speaks|French", "loc|Anne speaks|French"}));
  EXPECT_EQ(suite->facts()["kept"], 2);
  EXPECT_EQ(suite->facts()["file"], options_.data);
  EXPECT_THROW(suite->record(2), Error);
}

TEST_F(CounterFactTest, LeavesOutWhatCannotBeEdited) {
  auto no_target = flat(), bare = flat();
  no_target["target_new"] = "";
  for (const char* name : {"rephrase_prompt", "locality_prompt", "ground_truth"}) bare.erase(name);
  auto suite = open(json::array({no_target, bare, flat()}).dump());
  ASSERT_EQ(suite->size(), 2u);
  EXPECT_EQ(suite->facts()["filtered"], (json{{"empty target_new", 1}}));
  EXPECT_EQ(suite->record(0).id, "counterfact-1");
  EXPECT_EQ(suite->record(0).probes.size(), 1u);
  options_.limit = 2;
  EXPECT_EQ(open(json::array({no_target, bare, flat()}).dump())->size(), 1u);
  EXPECT_THAT(error(json::array({no_target}).dump()), HasSubstr("nothing is left"));
}

TEST_F(CounterFactTest, WhatIsNoCounterFactIsRefused) {
  auto wrong = released();
  wrong["requested_rewrite"]["target_new"] = "English";
  EXPECT_THAT(error(json::array({flat(), wrong}).dump()),
              AllOf(HasSubstr("row 1"), HasSubstr("str")));
  EXPECT_THAT(error(R"([{"src": "a", "alt": "b"}])"), HasSubstr("prompt"));
  options_.grid = true;
  EXPECT_THAT(error(json::array({flat()}).dump()), HasSubstr("no pictures"));
  options_ = {};
  EXPECT_THROW(open_suite("counterfact", options_), Error);
}

TEST_F(CounterFactTest, DamagedFilesAreErrors) {
  int opened = 0;
  const auto wrong = fuzz({json::array({flat()}).dump(2), json::array({released()}).dump()}, 1000,
                          5, [&](const std::string& bytes) {
                            auto suite = open(bytes);
                            for (size_t i = 0; i < suite->size(); ++i)
                              ASSERT_FALSE(suite->record(i).probes.empty());
                            ++opened;
                          });
  EXPECT_EQ(wrong, "");
  EXPECT_GT(opened, 50);
}

TEST_F(CounterFactTest, ReadsTheFileThatIsPassedRound) {
  options_.data = EMEND_SHARED_DIR "/data/text/counterfact-edit.json";
  if (!std::filesystem::exists(options_.data)) GTEST_SKIP() << options_.data << " is not there";
  auto suite = open_suite("counterfact", options_);
  EXPECT_EQ(suite->size(), 10000u);
  EXPECT_EQ(said(suite->record(0)),
            (std::vector<std::string>{
                "rel|The mother tongue of Danielle Darrieux is|English",
                "gen|Where Danielle Darrieux is from, people speak the language of|English",
                "loc|Michel Rocard is a native speaker of|French"}));
}

}  // namespace
}  // namespace emend
