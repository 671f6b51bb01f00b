#include <gtest/gtest.h>

#include "editing/testing/hparams_fixture.h"

namespace emend::easyedit {
namespace {

TEST_F(HparamsTest, NamesOfPartsOfTheFirstLlava) {
  const std::string lists =
      "- opt_model.model.decoder.layers.2.fc1.weight\n"
      "- opt_model.model.decoder.layers.2.fc2.weight";
  EXPECT_EQ(read(with(kPictureFt, lists, "- mm_projector")).spec.settings["sites"],
            "{*.,}multi_modal_projector.*");
  EXPECT_EQ(read(with(kPictureFt, lists, "- model.mm_projector.0.weight")).spec.settings["sites"],
            "{*.,}multi_modal_projector.linear_1");
  EXPECT_EQ(read(with(kPictureFt, lists, "- model.layers.31.mlp.down_proj.weight"))
                .spec.settings["sites"],
            "{*.,}model.layers.31.mlp.down_proj");
}

}  // namespace
}  // namespace emend::easyedit
