#include "editing/settings/easyedit/hparams.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "editing/testing/hparams_fixture.h"

namespace emend::easyedit {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST_F(HparamsTest, RejectsUnknownKeys) {
  EXPECT_THAT(refusal(std::string(kFt) + "num_stepz: 3\nother: 1\n"),
              AllOf(HasSubstr("blip2.yaml"), HasSubstr("num_stepz"), HasSubstr("other")));
  EXPECT_THAT(refusal(std::string(kLora) + "rewrite_module_tmp: a\n"),
              HasSubstr("rewrite_module_tmp"));
}

TEST_F(HparamsTest, RejectsInvalidFiles) {
  EXPECT_THAT(refusal(with(kFt, "alg_name: \"FT\"", "alg_name: PMET")),
              AllOf(HasSubstr("PMET"), HasSubstr("FT, LoRA, IKE, KE, MEND, SERAC, SERAC_MULTI")));
  EXPECT_THAT(refusal(with(kFt, "alg_name: \"FT\"", "")), HasSubstr("missing the key 'alg_name'"));
  EXPECT_THAT(refusal("- FT\n"), HasSubstr("names to values"));
  EXPECT_THAT(refusal("alg_name: FT\nalg_name: FT\n"), HasSubstr("line 2"));
}

TEST_F(HparamsTest, ReadsJsonFiles) {
  auto hparams = read(R"({"alg_name": "FT", "layers": [2], "num_steps": 25, "lr": 5e-4,
    "weight_decay": 0, "kl_factor": 0, "norm_constraint": 5e-4,
    "rewrite_module_tmp": "decoder.layers.{}.fc1"})",
                      "constr.json");
  EXPECT_EQ(hparams.spec.label, "ft (constr)");
  EXPECT_EQ(sites(hparams).size(), 1u);
}

}  // namespace
}  // namespace emend::easyedit
