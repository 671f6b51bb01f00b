// A prompt with two pictures, from text and pixels to logits, compared with transformers
// (tools/reference/models/make_several_pictures_fixtures.py).
#include <gmock/gmock.h>

#include <algorithm>

#include "io/json/json.h"
#include "io/tensors/safetensors.h"
#include "models/prompting/request_batch.h"
#include "models/testing/fixture.h"
#include "models/vlm.h"

namespace emend {
namespace {

class SeveralPicturesAgreement : public ::testing::TestWithParam<std::string> {
 protected:
  SeveralPicturesAgreement() {
    const auto prompt = read_json_object(folder_ + "/prompt.json");
    query_.text = prompt.at("prompt");
    answer_ = prompt.at("answer");
    for (const char* name : {"picture.0", "picture.1"}) {
      const auto rgb = expected_->tensor(name);
      Image picture{static_cast<int>(rgb.size(1)), static_cast<int>(rgb.size(0)), {}};
      picture.rgb.assign(rgb.data_ptr<uint8_t>(), rgb.data_ptr<uint8_t>() + rgb.numel());
      query_.add(std::move(picture));
    }
  }

  const std::string folder_ =
      EMEND_SOURCE_DIR "/src/models/testdata/several_pictures/" + GetParam();
  const std::shared_ptr<const SafetensorsFile> expected_ =
      SafetensorsFile::open(folder_ + "/expected.safetensors");
  const Vlm vlm_ = load_vlm(folder_);
  Query query_;
  std::string answer_;
};

TEST_P(SeveralPicturesAgreement, TokenIds) {
  auto ids = request_batch(vlm_, {query_}, {}).rows.at(0).ids;
  std::replace(ids.begin(), ids.end(), kImageToken, vlm_.processor.layout.image_token.value());
  for (const auto id : vlm_.processor.target(answer_)) ids.push_back(id);
  EXPECT_TRUE(at::equal(at::tensor(ids, at::kLong), expected_->tensor("ids")));
}

TEST_P(SeveralPicturesAgreement, Logits) {
  const auto logits = teacher_force(vlm_, {query_}, {answer_}).at(0).logits;
  const auto expected = expected_->tensor("logits");
  EXPECT_LE(fixtures::relative_error(logits, expected), fixtures::kLogitsTolerance);
  std::swap(*query_.image, query_.more_images.at(0));
  const auto swapped = teacher_force(vlm_, {query_}, {answer_}).at(0).logits;
  EXPECT_GT(fixtures::relative_error(swapped.slice(0, -4), expected.slice(0, -4)), 1e-2);
}

INSTANTIATE_TEST_SUITE_P(Folders, SeveralPicturesAgreement,
                         ::testing::Values("llava-clip", "llava-onevision", "qwen2.5-vl"),
                         fixtures::test_name);

}  // namespace
}  // namespace emend
