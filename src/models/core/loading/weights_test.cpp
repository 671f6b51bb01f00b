#include "models/core/loading/weights.h"

#include <gmock/gmock.h>

#include "io/error.h"
#include "io/testing.h"
#include "models/architectures/qformer/blip2.h"
#include "models/testing/fixture.h"

namespace emend {
namespace {

using fixtures::Fixture;
using ::testing::AllOf;
using ::testing::HasSubstr;

std::vector<WeightInfo> listing(const Fixture& fixture) {
  std::vector<WeightInfo> result;
  for (const auto& name : fixture.checkpoint.names()) {
    const auto& info = fixture.checkpoint.info(name);
    result.push_back({name, info.shape, info.dtype});
  }
  return result;
}

std::string weights_refusal(const Fixture& fixture, const std::vector<WeightInfo>& listed) {
  try {
    Weights weights(listed, at::kFloat);
    make_blip2(Blip2Config::parse(fixture.config), weights);
    return "accepted";
  } catch (const Error& e) {
    return e.what();
  }
}

class WeightsTest : public ::testing::Test {
 protected:
  Fixture fixture = Fixture::open("blip2/plain");
  std::vector<WeightInfo> listed = listing(fixture);
};

TEST_F(WeightsTest, ListingMakesAModelWithoutMemory) {
  Weights weights(listed, at::kFloat);
  const auto model = make_blip2(Blip2Config::parse(fixture.config), weights);
  for (const auto& [name, tensor] : model->parameters())
    EXPECT_EQ(tensor.storage().nbytes(), sizeof(float)) << name;
}

TEST_F(WeightsTest, ErrorListsAllMismatches) {
  std::erase_if(listed, [](const auto& w) { return w.name == "query_tokens"; });
  for (auto& w : listed)
    if (w.name == "language_projection.weight") w.shape = {3, 5};
  listed.push_back({"vision_model.extra", {1}, at::kFloat});
  EXPECT_THAT(
      weights_refusal(fixture, listed),
      AllOf(HasSubstr("1 missing: query_tokens"), HasSubstr("1 unexpected: vision_model.extra"),
            HasSubstr("1 with a wrong shape or dtype: language_projection.weight is fp32 [3, 5], "
                      "expected [16, 12]")));
}

TEST_F(WeightsTest, ErrorCountsAllAndNamesTen) {
  for (int i = 0; i < 25; ++i) listed.push_back({"extra." + std::to_string(i), {1}, at::kFloat});
  const auto message = weights_refusal(fixture, listed);
  EXPECT_THAT(message, HasSubstr("25 unexpected: extra.0, "));
  EXPECT_THAT(message, HasSubstr(", ..."));
}

TEST_F(WeightsTest, RejectsIntegersAndDuplicates) {
  auto integers = listed;
  for (auto& w : integers)
    if (w.name == "query_tokens") w.dtype = at::kLong;
  EXPECT_THAT(weights_refusal(fixture, integers),
              HasSubstr("1 with a wrong shape or dtype: query_tokens is Long"));
  auto twice = listed;
  twice.push_back({"model.query_tokens", {1, 4, 12}, at::kFloat});
  EXPECT_THAT(weights_refusal(fixture, twice), HasSubstr("1 duplicate"));
}

TEST_F(WeightsTest, AcceptsNamesAndBuffersOfOtherReleases) {
  for (auto& w : listed) {
    if (w.name.starts_with("language_model.model.")) w.name = "language_model." + w.name.substr(21);
    w.name = "model." + w.name;
  }
  listed.push_back({"model.vision_model.embeddings.position_ids", {1, 10}, at::kLong});
  EXPECT_EQ(weights_refusal(fixture, listed), "accepted");
}

TEST_F(WeightsTest, AcceptsACopyOfTheTiedHeadOnlyIfEqual) {
  const std::string head = "language_model.lm_head.weight";
  const std::string tokens = "language_model.model.decoder.embed_tokens.weight";
  const TemporaryFolder folder;
  const auto load = [&](const at::Tensor& second) {
    std::vector<std::pair<std::string, at::Tensor>> tensors;
    for (const auto& name : fixture.checkpoint.names())
      tensors.emplace_back(name, fixture.checkpoint.tensor(name));
    tensors.emplace_back(head, second);
    write_safetensors(folder.file("model.safetensors"), tensors);
    Weights weights(Checkpoint::open(folder.path()), at::kFloat);
    return make_blip2(Blip2Config::parse(fixture.config), weights);
  };
  const auto stored = fixture.checkpoint.tensor(tokens);
  EXPECT_NO_THROW(load(stored.clone()));
  EXPECT_THROW(load(stored + 1), Error);
}

TEST_F(WeightsTest, MapsTensorsUnlessTheDtypeDiffers) {
  const auto same = fixtures::load(fixture, at::kFloat);
  const std::string name = "language_projection.weight";
  EXPECT_EQ(same->parameters().at(name).data_ptr(), fixture.checkpoint.tensor(name).data_ptr());
  const auto rounded = fixtures::load(fixture, at::kBFloat16);
  for (const auto& [key, tensor] : rounded->parameters())
    EXPECT_EQ(tensor.scalar_type(), at::kBFloat16) << key;
}

}  // namespace
}  // namespace emend
