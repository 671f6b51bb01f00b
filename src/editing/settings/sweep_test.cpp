#include "editing/settings/sweep.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/error.h"
#include "io/testing.h"

namespace emend {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> labels_of(const std::vector<EditorSpec>& specs) {
  std::vector<std::string> labels;
  for (const auto& spec : specs) labels.push_back(spec.label);
  return labels;
}

TEST(Sweeps, EditorIsComparedOnceForEachValue) {
  auto sweep = parse_sweep("ft:connector.lr=1e-3, 0.02,0");
  EXPECT_EQ(sweep.editor, "ft:connector");
  EXPECT_EQ(sweep.setting, "lr");
  EXPECT_THAT(sweep.values, ElementsAre("1e-3", "0.02", "0"));
  auto specs = parse_editors("lora,ft:vision,rome");
  specs[1].settings["steps"] = 7;
  apply_sweep(specs, sweep);
  EXPECT_EQ(sweep.editor, "ft:vision");  // the label, where module names are aliases
  EXPECT_THAT(labels_of(specs), ElementsAre("lora", "ft:vision lr=1e-3", "ft:vision lr=0.02",
                                            "ft:vision lr=0", "rome"));
  EXPECT_EQ(specs[1].name, "ft");
  EXPECT_EQ(specs[1].settings, json({{"module", "vision"}, {"steps", 7}, {"lr", 1e-3}}));
  EXPECT_EQ(specs[3].settings, json({{"module", "vision"}, {"steps", 7}, {"lr", 0}}));
}

TEST(Sweeps, SemicolonsSeparateLists) {
  auto sweep = parse_sweep("memit.layers=0,1; 2-3");
  EXPECT_THAT(sweep.values, ElementsAre("0,1", "2-3"));
  auto specs = parse_editors("memit");
  apply_sweep(specs, sweep);
  EXPECT_THAT(labels_of(specs), ElementsAre("memit layers=0,1", "memit layers=2-3"));
  EXPECT_EQ(specs[0].settings["layers"], "0,1");
}

TEST(Sweeps, ErrorsNameTheProblem) {
  const auto refused = [](const std::string& text) {
    return error_of([&] {
      auto sweep = parse_sweep(text);
      auto specs = parse_editors("ft:language,ft:connector,rome");
      apply_sweep(specs, sweep);
    });
  };
  for (const char* text : {"", "=", "layers=0,1", "rome.=0,1", ".layers=0,1", "rome.layers", "=.1"})
    EXPECT_THAT(refused(text), AllOf(HasSubstr("EDITOR.SETTING=VALUE"), HasSubstr("for example")));
  for (const char* text :
       {"rome.layers=", "rome.layers=0,,1", "rome.layers=0,1,", "rome.layers=;", "rome.layers=0, "})
    EXPECT_THAT(refused(text), HasSubstr("is empty")) << text;
  EXPECT_THAT(refused("rome.layers=1"), AllOf(HasSubstr("one value"), HasSubstr("--set")));
  EXPECT_THAT(refused("rome.layers=1,2,1"), HasSubstr("'1' twice"));
  EXPECT_THAT(refused("rome.layerz=1,2"), HasSubstr("'rome' has no setting 'layerz'"));
  EXPECT_THAT(refused("rome.steps=1,-2"), HasSubstr("between 0"));
  EXPECT_THAT(refused("lora.rank=1,2"), AllOf(HasSubstr("not selected"), HasSubstr("--editors")));
  EXPECT_THAT(refused("ft.steps=1,2"),
              AllOf(HasSubstr("several editors: ft:language, ft:connector"),
                    HasSubstr("ft:language.steps")));
  EXPECT_THAT(refused("ft:language.module=language,connector"), HasSubstr("contradicts its label"));
}

}  // namespace
}  // namespace emend
