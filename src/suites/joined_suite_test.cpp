#include "suites/joined_suite.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "io/error.h"
#include "io/testing.h"

namespace emend {
namespace {

using nlohmann::json;
using testing::HasSubstr;

// MMEdit's folder with four questions and two captions.
class JoinedSuiteTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"vqa", "caption", "val2014"})
      std::filesystem::create_directories(folder_.file(name));
    std::ofstream(folder_.file("val2014/a.jpg")) << "a picture";
    std::ofstream(folder_.file("vqa/vqa_eval.json")) << rows("question", 4).dump();
    std::ofstream(folder_.file("caption/caption_eval_edit.json")) << rows("caption", 2).dump();
    options_.data = folder_.path();
  }
  static json rows(const std::string& kind, int count) {
    auto all = json::array();
    for (int i = 0; i < count; ++i)
      all.push_back({{"src", kind + std::to_string(i)},
                     {"rephrase", "reworded"},
                     {"pred", "wrong"},
                     {"alt", i == 3 ? "" : "right"},
                     {"image", "val2014/a.jpg"},
                     {"image_rephrase", "val2014/a.jpg"},
                     {"loc", "who"},
                     {"loc_ans", "nobody"},
                     {"m_loc", "val2014/a.jpg"},
                     {"m_loc_q", "what"},
                     {"m_loc_a", "this"}});
    return all;
  }
  static std::vector<std::string> prompts(const Suite& suite) {
    std::vector<std::string> all;
    for (size_t i = 0; i < suite.size(); ++i) all.push_back(suite.record(i).prompt);
    return all;
  }
  std::string error(const std::string& names) const {
    return error_of([&] { open_suite(names, options_); });
  }

  TemporaryFolder folder_;
  SuiteOptions options_;
};

TEST_F(JoinedSuiteTest, MixesTheRecordsEvenly) {
  const auto suite = open_suite("e-vqa,e-ic", options_);
  EXPECT_EQ(prompts(*suite), (std::vector<std::string>{"question0", "caption0", "question1",
                                                       "caption1", "question2"}));
  EXPECT_THROW(suite->record(5), Error);
  std::set<std::string> ids;
  for (size_t i = 0; i < suite->size(); ++i) ids.insert(suite->record(i).id);
  EXPECT_EQ(ids.size(), 5u);
  options_.limit = 3;
  EXPECT_EQ(prompts(*open_suite("e-vqa,e-ic", options_)),
            (std::vector<std::string>{"question0", "caption0", "question1"}));
}

TEST_F(JoinedSuiteTest, AddsTheMetadataUp) {
  const auto facts = open_suite("e-vqa,e-ic", options_)->metadata();
  EXPECT_EQ(facts.at("name"), "e-vqa,e-ic");
  EXPECT_EQ(facts.at("split"), "eval");
  EXPECT_EQ(facts.at("read"), 6);
  EXPECT_EQ(facts.at("kept"), 5);
  EXPECT_EQ(facts.at("filtered"), (json{{"empty alt", 1}}));
  ASSERT_EQ(facts.at("suites").size(), 2u);
  EXPECT_EQ(facts.at("suites").at(1), open_suite("e-ic", options_)->metadata());
  EXPECT_EQ(facts.at("missing_images").at("policy"), "refuse");
  options_.limit = 3;
  const auto limited = open_suite("e-vqa,e-ic", options_)->metadata();
  EXPECT_EQ(limited.at("suites").at(0).at("kept"), 2);
  EXPECT_EQ(limited.at("suites").at(1).at("kept"), 1);
  EXPECT_EQ(suite_title("e-vqa,e-ic"), "E-VQA and E-IC");
}

TEST_F(JoinedSuiteTest, TakesOnePathForEachSuiteOrOneForAll) {
  const auto folder = options_.data;
  options_.data = folder + "/vqa/vqa_eval.json," + folder;
  options_.images = folder;
  EXPECT_EQ(open_suite("e-vqa,e-ic", options_)->size(), 5u);
  options_.data += "," + folder;
  EXPECT_THAT(error("e-vqa,e-ic"), HasSubstr("--data has 3 paths for 2 suites"));
}

TEST_F(JoinedSuiteTest, RefusesSuitesThatDoNotFitTogether) {
  EXPECT_THAT(error("e-vqa,e-vqa"), HasSubstr("'e-vqa' is named twice"));
  EXPECT_THAT(error("e-vqa,"), HasSubstr("unknown suite ''"));
  std::ofstream(folder_.file("facts.json"))
      << R"([{"subject": "Oslo", "prompt": "Oslo is in", "target_new": "Spain",
             "ground_truth": "Norway", "rephrase_prompt": "Oslo lies in",
             "locality_prompt": "Bergen is in", "locality_ground_truth": "Norway"}])";
  options_.data = folder_.path() + "," + folder_.file("facts.json");
  EXPECT_THAT(error("e-vqa,counterfact"), HasSubstr("cannot share a template"));
  EXPECT_THAT(error("e-vqa,scenes"), HasSubstr("scenes is generated"));
  options_.data = folder_.file("facts.json");
  EXPECT_THAT(error("e-vqa,e-ic"), HasSubstr("is one file for 2 suites"));
}

}  // namespace
}  // namespace emend
