#include "suites/facts/counterfact.h"

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
using ::testing::EndsWith;
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
  static json zsre() {
    return {{"subject", "Mara"},
            {"src", "What university did Mara attend?"},
            {"pred", "Trinity College"},
            {"rephrase", "Which school did Mara go to?"},
            {"alt", "Oslo"},
            {"answers", {"Illinois Institute", "Illinois Tech"}},
            {"loc", "nq question: who wrote hamlet"},
            {"loc_ans", "Shakespeare"},
            {"cond", "Trinity College >> Oslo || What university did Mara attend?"}};
  }
  static json knowedit() {
    return json::parse(R"({
      "subject": "Mara", "prompt": "The mother of Mara is", "target_new": "Ada",
      "ground_truth": ["Berta"],
      "portability": {
        "Reasoning": [{"prompt": "The grandmother is", "ground_truth": [["Eva", "E."]]}],
        "Subject_Aliasing": [{"prompt": ["M.'s mother is"], "ground_truth": "Ada"}],
        "Logical_Generalization": []},
      "locality": {
        "Relation_Specificity": [{"prompt": "The father is", "ground_truth": [["Otto"]]}],
        "Forgetfulness": null}})");
  }
  static json mquake(int edits) {
    json rewrites = json::array();
    for (int i = 0; i < edits; ++i)
      rewrites.push_back({{"prompt", "{} is a citizen of"},
                          {"relation_id", "P27"},
                          {"target_new", {{"str", "Croatia"}, {"id", "Q224"}}},
                          {"target_true", {{"str", "Spain"}, {"id", "Q29"}}},
                          {"subject", "Mara"},
                          {"question", "What is the country of citizenship of Mara?"}});
    return {{"case_id", 1},
            {"requested_rewrite", rewrites},
            {"questions", {"What is the capital of Mara's country?", "Which capital?"}},
            {"answer", "Madrid"},
            {"new_answer", "Zagreb"}};
  }
  std::unique_ptr<Suite> open(const std::string& text, const std::string& name = "counterfact") {
    std::ofstream(options_.data, std::ios::binary) << text;
    return open_suite(name, options_);
  }
  std::string error(const std::string& text, const std::string& name = "counterfact") {
    try {
      open(text, name);
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
                          : probe.group == Group::portability     ? "port"
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

TEST_F(CounterFactTest, ReadsBothFormatsOfCounterFact) {
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
  EXPECT_EQ(suite->metadata()["kept"], 2);
  EXPECT_EQ(suite->metadata()["file"], options_.data);
  EXPECT_THROW(suite->record(2), Error);
}

// The literature compares the probabilities of the target and of the true answer.
TEST_F(CounterFactTest, ProbesOfCounterFactHaveAlternatives) {
  auto suite = open(json::array({flat(), released(), zsre(), knowedit()}).dump());
  for (size_t i = 0; i < 2; ++i)
    for (const auto& probe : suite->record(i).probes)
      EXPECT_EQ(probe.alternative, probe.group == Group::text_locality ? "English" : "French");
  for (size_t i = 2; i < 4; ++i)
    for (const auto& probe : suite->record(i).probes) EXPECT_EQ(probe.alternative, "");
}

using Said = std::vector<std::string>;

TEST_F(CounterFactTest, ReadsZsre) {
  for (const char* name : {"counterfact", "zsre"}) {
    auto suite = open(json::array({zsre()}).dump(), name);
    const auto record = suite->record(0);
    EXPECT_EQ(record.id, std::string(name) + "-0");
    EXPECT_EQ(record.prompt, "What university did Mara attend?");
    EXPECT_EQ(record.before, "Trinity College");
    EXPECT_EQ(record.subject, "Mara");
    EXPECT_EQ(record.target, "Oslo");
    EXPECT_EQ(record.truth, "Illinois Institute");
    EXPECT_EQ(said(record), (Said{"rel|What university did Mara attend?|Oslo",
                                  "gen|Which school did Mara go to?|Oslo",
                                  "loc|nq question: who wrote hamlet|Shakespeare"}));
    EXPECT_FALSE(suite->completions()) << "its prompts are questions";
    EXPECT_EQ(suite->metadata()["forms"], (json{{"zsre", 1}}));
    EXPECT_EQ(suite->metadata()["unused_fields"],
              (json{{"cond", 1}, {"answers (all but the first)", 1}}));
  }
  auto follows = zsre();
  follows["portability"] = {{"Recalled Relation", "(Oslo, country, Norway)"},
                            {"New Question", "In which country did Mara study?"},
                            {"New Answer", "Norway"}};
  auto suite = open(json::array({zsre(), follows}).dump());
  EXPECT_EQ(said(suite->record(1)).back(), "port|In which country did Mara study?|Norway");
  EXPECT_EQ(suite->metadata()["unused_fields"]["portability.Recalled Relation"], 1);
  EXPECT_EQ(suite->metadata()["unused_fields"]["cond"], 2);
  EXPECT_FALSE(suite->metadata()["unused_fields"].contains("subject"));
}

TEST_F(CounterFactTest, ReadsKnowEdit) {
  const auto biography = json::parse(R"({"concept": "Ada", "text": "Ada was",
    "labels": "a mathematician.", "locality": {"Relation_Specificity":
      [{"prompt": "Ada lived in", "ground_truth": ["London"]}]}})");
  auto suite = open(json::array({knowedit(), biography}).dump(), "knowedit");
  EXPECT_TRUE(suite->completions());
  EXPECT_EQ(suite->record(0).truth, "Berta");
  EXPECT_EQ(suite->record(0).subject, "Mara");
  EXPECT_EQ(suite->record(1).subject, "");
  EXPECT_EQ(said(suite->record(0)),
            (Said{"rel|The mother of Mara is|Ada", "loc|The father is|Otto",
                  "port|The grandmother is|Eva", "port|M.'s mother is|Ada"}));
  EXPECT_EQ(said(suite->record(1)),
            (Said{"rel|Ada was|a mathematician.", "loc|Ada lived in|London"}));
  EXPECT_EQ(suite->metadata()["unused_fields"],
            (json{{"concept", 1}, {"portability.Reasoning.ground_truth (all but the first)", 1}}));
}

TEST_F(CounterFactTest, ReadsMquakeRowsWithOneEdit) {
  auto suite = open(json::array({mquake(2), mquake(1)}).dump(), "mquake");
  ASSERT_EQ(suite->size(), 1u);
  EXPECT_EQ(suite->metadata()["filtered"], (json{{"several edits in one row", 1}}));
  EXPECT_EQ(said(suite->record(0)), (Said{"rel|Mara is a citizen of|Croatia",
                                          "gen|What is the country of citizenship of Mara?|Croatia",
                                          "port|What is the capital of Mara's country?|Zagreb",
                                          "port|Which capital?|Zagreb"}));
  EXPECT_EQ(suite->metadata()["unused_fields"]["requested_rewrite.relation_id"], 1);
  EXPECT_EQ(suite->metadata()["unused_fields"]["answer"], 1);
  EXPECT_THAT(error(json::array({mquake(2)}).dump()), HasSubstr("several edits in one row: 1"));
}

TEST_F(CounterFactTest, SuitesOfOneFormatRefuseOthers) {
  EXPECT_THAT(error(json::array({flat()}).dump(), "zsre"),
              AllOf(HasSubstr("row 0"), EndsWith("Hint: use --suite counterfact")));
  EXPECT_THAT(error(json::array({zsre()}).dump(), "knowedit"),
              EndsWith("use --suite zsre, or --suite counterfact, which reads every format"));
  EXPECT_EQ(open(json::array({flat(), zsre(), knowedit(), mquake(1)}).dump())->size(), 4u);
}

TEST_F(CounterFactTest, LeavesOutRowsThatCannotBeEdited) {
  auto no_target = flat(), bare = flat();
  no_target["target_new"] = "";
  for (const char* name : {"rephrase_prompt", "locality_prompt", "ground_truth"}) bare.erase(name);
  auto suite = open(json::array({no_target, bare, flat()}).dump());
  ASSERT_EQ(suite->size(), 2u);
  EXPECT_EQ(suite->metadata()["filtered"], (json{{"empty target_new", 1}}));
  EXPECT_EQ(suite->record(0).id, "counterfact-1");
  EXPECT_EQ(suite->record(0).probes.size(), 1u);
  options_.limit = 1;
  auto one = open(json::array({no_target, bare, flat()}).dump());
  EXPECT_EQ(one->size(), 1u) << "records that are kept";
  EXPECT_EQ(one->metadata()["read"], 2);
  EXPECT_THAT(error(json::array({no_target}).dump()), HasSubstr("no usable records"));
}

TEST_F(CounterFactTest, BlankTextsAreEmpty) {
  auto no_target = flat(), no_prompt = zsre(), partial = flat(), listed = released();
  no_target["target_new"] = json::array({" "});
  no_prompt["src"] = "  ";
  partial["rephrase_prompt"] = " ";
  partial["locality_ground_truth"] = "\t";
  listed["paraphrase_prompts"] = json::array({" ", "", "Jean speaks"});
  listed["neighborhood_prompts"] = json::array({"\n"});
  auto suite = open(json::array({no_target, no_prompt, partial, listed}).dump());
  ASSERT_EQ(suite->size(), 2u);
  EXPECT_EQ(suite->metadata()["filtered"], (json{{"empty target_new", 1}, {"empty src", 1}}));
  EXPECT_EQ(said(suite->record(0)), (Said{"rel|The mother tongue of Jean is|English"}));
  EXPECT_EQ(said(suite->record(1)),
            (Said{"rel|The mother tongue of Jean is|English", "gen|Jean speaks|English"}));
}

TEST_F(CounterFactTest, RefusesUnknownFormats) {
  auto wrong = released();
  wrong["requested_rewrite"]["target_new"] = "English";
  EXPECT_THAT(error(json::array({flat(), wrong}).dump()),
              AllOf(HasSubstr("row 1"), HasSubstr("str")));
  EXPECT_THAT(
      error(R"([{"src": "a", "text": "b"}])"),
      AllOf(HasSubstr("its fields are: src, text"), HasSubstr("prompt"), HasSubstr("KnowEdit")));
  EXPECT_THAT(error(R"([{"src": "a", "alt": "b", "image": "c.png"}])"),
              AllOf(HasSubstr("picture"), HasSubstr("--suite mmedit-json")));
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

TEST_F(CounterFactTest, ReadsThePublishedFile) {
  options_.data = EMEND_SHARED_DIR "/data/text/counterfact-edit.json";
  if (!std::filesystem::exists(options_.data)) GTEST_SKIP() << options_.data << " is missing";
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
