#include "editing/editors/ledger/training.h"

#include <gtest/gtest.h>

#include "editing/testing/every_editor.h"
#include "editing/testing/tiny_vlm_test.h"

namespace emend {
namespace {

class LedgerTrainingTest : public testing::TinyVlmTest {
 protected:
  // Networks with the calibration questions of eight records.
  static std::unique_ptr<TrainableLedger> networks() {
    auto trainable = std::make_unique<TrainableLedger>(*vlm_, testing::small_networks("ledger"),
                                                       nullptr);
    std::vector<EditExample> examples(8);
    for (uint64_t picture = 0; picture < examples.size(); ++picture)
      examples[picture].image_locality = {{{"", testing::noise_image(picture)}, "Where?", " a"}};
    trainable->add_calibration(examples);
    return trainable;
  }
};

// The certificate of a bfloat16 checkpoint holds for the networks that the file contains.
TEST_F(LedgerTrainingTest, CalibrationBelongsToTheNetworksAsTheyAreStored) {
  const auto trained = networks();
  const auto exact = trained->tensors();
  const auto stored = trained->tensors_in(at::kBFloat16);
  for (const auto& [name, tensor] : trained->tensors())
    EXPECT_TRUE(at::equal(tensor, exact.at(name))) << name;

  auto rounded = exact;
  for (auto& [name, tensor] : rounded)
    if (!name.starts_with("calibration")) tensor = tensor.to(at::kBFloat16).to(at::kFloat);
  const auto read = networks();
  read->load(rounded, "rounded");
  const auto own = read->tensors();
  EXPECT_EQ(own.at("calibration").size(0), 8);
  EXPECT_TRUE(at::equal(own.at("calibration"), stored.at("calibration")));
  EXPECT_FALSE(at::equal(exact.at("calibration"), stored.at("calibration")));
}

}  // namespace
}  // namespace emend
