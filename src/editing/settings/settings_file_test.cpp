#include "editing/settings/settings_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/error.h"
#include "io/testing.h"
#include "tests/tiny_vlm.h"

namespace emend {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

class SettingsFileTest : public ::testing::Test {
 protected:
  std::string write(const std::string& text, const std::string& name = "some.yaml") {
    testing::write_text(folder_ / name, text);
    return folder_ / name;
  }
  std::string refusal(const std::string& text, const std::string& name = "some.yaml") {
    auto path = write(text, name);
    return error_of([&] { read_settings_file(path); });
  }

  TemporaryFolder folder_;
};

TEST_F(SettingsFileTest, LabelOverridesName) {
  auto path = write("ft:\n  steps: 15\n  lr: 2e-4\nft:vision:\n  lr: 1e-4\nlora:\n  rank: 4\n");
  auto specs = parse_editors("ft,ft:vision,ft:projector");
  apply_settings(specs, read_settings_file(path));
  EXPECT_EQ(specs[0].settings, json({{"steps", 15}, {"lr", 2e-4}}));
  EXPECT_EQ(specs[1].settings, json({{"module", "vision"}, {"steps", 15}, {"lr", 1e-4}}));
  EXPECT_EQ(specs[2].settings, json({{"module", "projector"}, {"steps", 15}, {"lr", 2e-4}}));
  auto as_json = write(R"({"ft": {"steps": 15}})", "some.json");
  auto other = parse_editors("ft");
  apply_settings(other, read_settings_file(as_json));
  EXPECT_EQ(other[0].settings, json({{"steps", 15}}));
}

TEST_F(SettingsFileTest, ErrorsNameFileAndEditor) {
  EXPECT_THAT(refusal("ft:\n  stepz: 15\n"),
              AllOf(HasSubstr("some.yaml"), HasSubstr("'ft'"), HasSubstr("'stepz'")));
  EXPECT_THAT(refusal("ft:\n  steps: many\n"), AllOf(HasSubstr("some.yaml"), HasSubstr("whole")));
  EXPECT_THAT(refusal("foot:\n  steps: 1\n"), AllOf(HasSubstr("some.yaml"), HasSubstr("'foot'")));
  EXPECT_THAT(refusal("ft:ears:\n  steps: 1\n"), HasSubstr("ears"));
  EXPECT_THAT(refusal("steps: 15\n"), HasSubstr("'steps'"));
  EXPECT_THAT(refusal("ft: 15\n"), HasSubstr("the editor has no settings"));
  EXPECT_THAT(refusal("ft,lora:\n  steps: 15\n"), HasSubstr("entry for each"));
  EXPECT_THAT(refusal("ft:vision:\n  module: language\n"),
              HasSubstr("label of the editor selects the module"));
  EXPECT_THAT(refusal("ft:vision:\n  steps: 1\nlora:\n  rank: 2\nft:connector:\n  steps: 2\n"),
              AllOf(HasSubstr("some.yaml"), HasSubstr("'ft:connector' and for 'ft:vision'"),
                    HasSubstr("one entry, ft:connector")));
  EXPECT_THAT(refusal(R"({"mend:bridge": {}, "mend:qformer": {}})", "some.json"),
              HasSubstr("the same editor"));
  EXPECT_THAT(refusal("ft:\n  steps: 1\n  steps: 2\n"),
              AllOf(HasSubstr("line 3"), HasSubstr("twice")));
  EXPECT_THAT(refusal(""), HasSubstr("has no settings of editors"));
  EXPECT_THAT(refusal("{\"ft\": {\"steps\": }}", "some.json"), HasSubstr("some.json"));
  EXPECT_THAT(error_of([&] { read_settings_file(folder_ / "none.yaml"); }), HasSubstr("none.yaml"));
}

TEST_F(SettingsFileTest, Pairs) {
  auto specs = parse_editors("ft,ft:vision,lora");
  apply_pairs(specs, {"steps=15", "ft.lr=2e-4", "ft:vision.lr=0.5", "lora.rank=2",
                      "lora.end_of_answer=false", "lora.optimizer=sgd"});
  EXPECT_EQ(specs[0].settings, json({{"steps", 15}, {"lr", 2e-4}}));
  EXPECT_EQ(specs[1].settings, json({{"module", "vision"}, {"steps", 15}, {"lr", 0.5}}));
  EXPECT_EQ(specs[2].settings,
            json({{"steps", 15}, {"rank", 2}, {"end_of_answer", false}, {"optimizer", "sgd"}}));
  auto refused = [&](const std::string& pair) {
    auto fresh = parse_editors("ft,lora");
    return error_of([&] { apply_pairs(fresh, {pair}); });
  };
  EXPECT_THAT(refused("rank=3"), HasSubstr("'ft' has no setting 'rank'"));
  EXPECT_THAT(refused("steps"), HasSubstr("NAME=VALUE"));
  EXPECT_THAT(refused("=3"), HasSubstr("NAME=VALUE"));
  EXPECT_THAT(refused("mend.steps=3"), HasSubstr("not selected"));
  EXPECT_THAT(refused("steps=-1"), HasSubstr("between 0"));
}

}  // namespace
}  // namespace emend
