#include <gmock/gmock.h>

#include "io/error.h"
#include "io/strings/glob.h"
#include "models/core/model.h"
#include "models/testing/fixture.h"

namespace emend {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Glob, StarsAndQuestionMarks) {
  EXPECT_TRUE(Glob("*").matches(""));
  EXPECT_TRUE(Glob("a*c").matches("abbc"));
  EXPECT_TRUE(Glob("a*b*c").matches("a.b.bc"));
  EXPECT_FALSE(Glob("a*c").matches("abcd"));
  EXPECT_TRUE(Glob("a?c").matches("abc"));
  EXPECT_FALSE(Glob("a?c").matches("ac"));
  EXPECT_FALSE(Glob("").matches("a"));
  EXPECT_TRUE(Glob("a.b").matches("a.b"));
  EXPECT_FALSE(Glob("a.b").matches("axb"));
}

TEST(Glob, BracketsAndBraces) {
  EXPECT_TRUE(Glob("x[0-3]").matches("x2"));
  EXPECT_FALSE(Glob("x[0-3]").matches("x4"));
  EXPECT_TRUE(Glob("x[!0-3]").matches("x4"));
  EXPECT_TRUE(Glob("x[ab-]").matches("x-"));
  EXPECT_TRUE(Glob("*.{fc1,fc2}").matches("l.fc2"));
  EXPECT_FALSE(Glob("*.{fc1,fc2}").matches("l.fc3"));
  EXPECT_TRUE(Glob("{a,b{c,d}}e").matches("bde"));
  EXPECT_FALSE(Glob("{a,b{c,d}}e").matches("be"));
  EXPECT_TRUE(Glob("a{,b}").matches("a"));
}

TEST(Glob, NearestTextsOfAPattern) {
  const std::vector<std::string> names = {"projection", "a.layers.10.self_attn.q_proj",
                                          "a.layers.10.fc1", "b.fc"};
  EXPECT_THAT(nearest("*.layers.*.fc9", names, 1), ElementsAre("a.layers.10.fc1"));
  EXPECT_THAT(nearest("*.self_atn.?_proj", names, 1), ElementsAre("a.layers.10.self_attn.q_proj"));
  EXPECT_THAT(nearest("b.fc1", names, 1), ElementsAre("b.fc"));
}

TEST(Glob, RejectsUnbalancedAndHugePatterns) {
  for (const char* bad : {"{a", "a}", "[a", "x[", "{a,{b}", "*[!"}) EXPECT_THROW(Glob{bad}, Error);
  std::string many;
  for (int i = 0; i < 40; ++i) many += "{a,b}";
  EXPECT_THROW(Glob{many}, Error);
  EXPECT_THROW(Glob{std::string(100000, '{')}, Error);
  EXPECT_FALSE(Glob(std::string(60, '*') + "b").matches(std::string(4000, 'a')));
}

class SitesTest : public ::testing::Test {
 protected:
  std::vector<std::string> find(const std::string& pattern) const {
    std::vector<std::string> names;
    for (const auto& site : model->find_sites(pattern)) names.push_back(site.name);
    return names;
  }
  std::unique_ptr<Model> model = fixtures::load(fixtures::Fixture::open("blip2/plain"));
};

TEST_F(SitesTest, AreFoundInModelOrder) {
  EXPECT_THAT(find("*.layers.{1,2}.fc[12]"),
              ElementsAre("language_model.model.decoder.layers.1.fc1",
                          "language_model.model.decoder.layers.1.fc2",
                          "language_model.model.decoder.layers.2.fc1",
                          "language_model.model.decoder.layers.2.fc2"));
  EXPECT_EQ(find("*").size(), model->sites().size());
}

TEST_F(SitesTest, EveryListedNameMustExist) {
  EXPECT_EQ(find("*.layers.{0,1,2}.{fc1,fc2}").size(), 6u);
  EXPECT_EQ(find("{*.,}{language_projection,decoder.layers.0.fc1}").size(), 2u);
  for (const auto& [pattern, missing] :
       {std::pair{"*.layers.{1,99}.fc1", "*.layers.99.fc1"}, {"*.{fc1,fc9}", "*.fc9"}}) {
    try {
      find(pattern);
      FAIL() << pattern;
    } catch (const Error& e) {
      EXPECT_THAT(e.what(), HasSubstr(std::string("no site matches `") + missing + "`"));
    }
  }
  // Wildcards and nested lists may match nothing.
  EXPECT_EQ(find("*.layers.1.{fc1,x*}").size(), 1u);
  EXPECT_EQ(find("*.layers.1.{fc1,{x,y}}").size(), 1u);
}

TEST_F(SitesTest, AreFoundByNamesOfAnyRelease) {
  const auto current = ElementsAre("language_model.model.decoder.layers.0.fc1");
  EXPECT_THAT(find("language_model.model.decoder.layers.0.fc1"), current);
  EXPECT_THAT(find("language_model.model.decoder.layers.0.fc1.weight"), current);
  EXPECT_THAT(find("model.language_model.model.decoder.layers.0.fc1"), current);
  EXPECT_THAT(find("language_model.decoder.layers.0.fc1"), current);
  EXPECT_THAT(find("model.qformer.encoder.layer.0.output_query.dense"),
              ElementsAre("qformer.encoder.layer.0.output_query.dense"));
}

TEST_F(SitesTest, ErrorsListSimilarNames) {
  try {
    find("language_model.model.decoder.layers.0.fc3");
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("no site matches"));
    EXPECT_THAT(e.what(), HasSubstr("layers.0.fc1"));
  }
  EXPECT_THROW(model->stage("language.blok.0"), Error);
  try {
    find("*qformer*.qury");
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("similar names: qformer.encoder.layer.0.attention"));
    EXPECT_THAT(e.what(), HasSubstr("`emend inspect MODEL` lists all sites"));
  }
}

TEST_F(SitesTest, HaveWeightsStagesAndDefaults) {
  for (const auto& site : model->sites()) {
    const auto weight = model->weight(site);
    EXPECT_EQ(weight.sizes(), at::IntArrayRef({site.out, site.in})) << site.name;
    if (site.name == "language_model.lm_head") continue;
    EXPECT_TRUE(weight.is_same(model->parameters().at(site.name + ".weight"))) << site.name;
  }
  // The weight of a tied head is that of the embedding.
  EXPECT_TRUE(
      model->weight(model->site("language_model.lm_head"))
          .is_same(model->parameters().at("language_model.model.decoder.embed_tokens.weight")));
  const auto stage_of = [&](const char* site) {
    return model->stages()[model->site(site).stage].name;
  };
  EXPECT_EQ(stage_of("vision_model.encoder.layers.1.self_attn.qkv"), "vision_tower.block.1");
  EXPECT_EQ(stage_of("qformer.encoder.layer.2.intermediate_query.dense"), "connector.layer.2");
  EXPECT_EQ(stage_of("language_projection"), "connector.project");
  EXPECT_EQ(stage_of("language_model.model.decoder.layers.2.self_attn.out_proj"),
            "language.block.2");
  EXPECT_EQ(stage_of("language_model.lm_head"), "language.head");

  EXPECT_THAT(find(model->default_sites(Module::language)),
              ElementsAre("language_model.model.decoder.layers.2.fc1",
                          "language_model.model.decoder.layers.2.fc2"));
  for (const auto& name : find(model->default_sites(Module::connector)))
    EXPECT_EQ(name.rfind("qformer.", 0), 0u);
}

}  // namespace
}  // namespace emend
