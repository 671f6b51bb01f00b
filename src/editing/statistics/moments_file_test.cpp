#include "editing/statistics/moments_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "editing/statistics/triangle.h"
#include "io/error.h"
#include "io/files/file.h"
#include "io/hash.h"
#include "io/testing.h"
#include "tests/tiny_vlm.h"

namespace emend {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kDecoder = "language_model.model.decoder.layers.1.fc2";
constexpr const char* kProjector = "language_projection";

at::Tensor second_moment(int64_t d, uint64_t seed) {
  at::manual_seed(seed);
  const auto x = at::randn({3 * d, d}, at::kDouble);
  return x.t().matmul(x) / static_cast<double>(3 * d);
}

class MomentsFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    testing::write_tiny_vlm(folder_ / "model", 0);
    vlm_ = std::make_unique<Vlm>(load_vlm(folder_ / "model"));
    path_ = folder_ / "statistics.safetensors";
  }
  std::vector<PackedMoments> sites() const {
    PackedMoments decoder{kDecoder, 64, 200, 100, 25, {}, {}, at::randn({64})};
    decoder.text = pack_triangle(second_moment(64, 1));
    decoder.image = pack_triangle(second_moment(64, 2));
    PackedMoments projector{kProjector, 16, 0, 48, 0, {}, pack_triangle(second_moment(16, 3)), {}};
    return {projector, decoder};
  }
  void write(const std::vector<PackedMoments>& sites) const {
    MomentsFile::write(path_, vlm_->fingerprint(), {{"samples", 7}}, sites);
  }

  TemporaryFolder folder_;
  std::unique_ptr<Vlm> vlm_;
  std::string path_;
};

class MomentsFuzz : public MomentsFileTest {};

TEST(Triangle, UnpackedIsEqual) {
  for (int64_t d : {1, 2, 63, 64, 65, 200}) {
    const auto matrix = second_moment(d, static_cast<uint64_t>(d));
    const auto packed = pack_triangle(matrix, 0.5);
    EXPECT_EQ(packed.numel(), triangle_size(d));
    EXPECT_TRUE(at::equal(unpack_triangle(packed, d),
                          (at::triu(matrix) + at::triu(matrix, 1).t()).mul(0.5).to(at::kFloat)))
        << d;
  }
}

TEST_F(MomentsFileTest, WrittenAndReadIsEqual) {
  write(sites());
  const auto file = MomentsFile::open(path_);
  EXPECT_EQ(file.fingerprint(), vlm_->fingerprint());
  EXPECT_EQ(file.facts().at("samples"), 7);
  EXPECT_THAT(file.sites(), ElementsAre(kProjector, kDecoder));
  const auto decoder = file.read(*vlm_, std::string(kDecoder) + ".weight");
  EXPECT_EQ(decoder.text.count, 200);
  EXPECT_EQ(decoder.image.count, 100);
  EXPECT_EQ(decoder.first_count, 25);
  EXPECT_EQ(decoder.dimension(), 64);
  EXPECT_TRUE(at::allclose(decoder.image.mean, second_moment(64, 2).to(at::kFloat)));
  EXPECT_TRUE(at::equal(decoder.text.mean, decoder.text.mean.t()));
  EXPECT_EQ(decoder.first_mean.sizes(), (std::vector<int64_t>{64}));
  const auto projector = file.read(*vlm_, kProjector);
  EXPECT_EQ(projector.text.count, 0);
  EXPECT_FALSE(projector.text.mean.defined());
  EXPECT_EQ(projector.image.count, 48);
}

TEST_F(MomentsFileTest, RefusesAnotherModelAndMissingSites) {
  write(sites());
  testing::write_tiny_vlm(folder_ / "other", 1);
  const auto other = load_vlm(folder_ / "other");
  const auto file = MomentsFile::open(path_);
  EXPECT_THAT(error_of([&] { file.read(other, kDecoder); }),
              AllOf(HasSubstr("this model is " + other.fingerprint()),
                    HasSubstr("emend stats -m " + other.folder)));
  const std::string missing = "language_model.model.decoder.layers.0.fc2";
  EXPECT_THAT(error_of([&] { file.read(*vlm_, missing); }),
              AllOf(HasSubstr("no statistics of " + missing),
                    HasSubstr("--sites '" + missing + "' --suite scenes")));
  auto wrong = sites();
  wrong[0].site = "language_model.model.decoder.layers.0.fc1";
  write(wrong);
  EXPECT_THAT(error_of([&] { MomentsFile::open(path_).read(*vlm_, wrong[0].site); }),
              HasSubstr("with dimension 16, but its inputs have 32"));
}

TEST_F(MomentsFileTest, OpensTheFileOfTheModelsFolder) {
  const auto standard = folder_ / "model/statistics.safetensors";
  EXPECT_THAT(error_of([&] {
                open_moments(*vlm_, "", {kDecoder, kProjector});
              }),
              AllOf(HasSubstr("there is no " + standard),
                    HasSubstr(fmt::format("emend stats -m {} --sites '{}' --sites '{}' --suite "
                                          "scenes -o {}",
                                          vlm_->folder, kDecoder, kProjector, standard))));
  EXPECT_THAT(error_of([&] { open_moments(*vlm_, folder_ / "none", {kDecoder}); }),
              AllOf(HasSubstr("no file"), HasSubstr("-o " + folder_ / "none")));
  write(sites());
  EXPECT_TRUE(open_moments(*vlm_, path_, {kDecoder}).contains(kDecoder));
  std::filesystem::copy(path_, standard);
  EXPECT_EQ(open_moments(*vlm_, "", {kDecoder}).path(), standard);
  EXPECT_THAT(error_of([&] {
                open_moments(*vlm_, "", {kDecoder, "*decoder.layers.0.fc2"});
              }),
              HasSubstr("site"));
  EXPECT_THAT(
      error_of([&] { open_moments(*vlm_, "", {"language_model.model.decoder.layers.0.fc2"}); }),
      AllOf(HasSubstr("no statistics of"), HasSubstr("--set statistics=FILE")));
}

TEST_F(MomentsFileTest, DetectsChangedFiles) {
  write(sites());
  const auto whole = read_file(path_);
  auto bytes = whole;
  bytes[bytes.size() - 2] ^= 1;
  write_file(path_, bytes);
  EXPECT_THAT(error_of([&] {
                const auto file = MomentsFile::open(path_);
                for (const auto& site : file.sites()) file.read(*vlm_, site);
              }),
              HasSubstr("checksum"));
  bytes = whole;
  bytes[bytes.find("samples") + 1] ^= 4;
  write_file(path_, bytes);
  EXPECT_THAT(error_of([&] { MomentsFile::open(path_); }), HasSubstr("checksum"));
  write_file(path_, whole.substr(0, whole.size() - 4));
  EXPECT_THAT(error_of([&] { MomentsFile::open(path_); }), HasSubstr(path_));
  write_safetensors(path_, {{"a", at::ones({1})}});
  EXPECT_THAT(error_of([&] { MomentsFile::open(path_); }), HasSubstr("not a file of statistics"));
  auto infinite = sites();
  infinite[0].image[3] = HUGE_VAL;
  EXPECT_THAT(error_of([&] { write(infinite); }), HasSubstr("not finite"));
}

// Checksums stop most damage, so the description is damaged before its checksum is computed, too.
TEST_F(MomentsFuzz, DamagedFilesThrow) {
  write(sites());
  const auto whole = read_file(path_);
  const auto read_all = [&](const std::string& bytes) {
    write_file(path_, bytes);
    const auto file = MomentsFile::open(path_);
    for (const auto& site : file.sites()) file.read(*vlm_, site);
  };
  EXPECT_EQ("", fuzz({whole}, 400, 5, read_all));

  write_file(path_, whole);
  std::map<std::string, std::string> metadata;
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  {
    const auto file = SafetensorsFile::open(path_);
    metadata = file->metadata();
    for (const auto& [name, info] : file->tensors())
      tensors.emplace_back(name, file->tensor(name).clone());
  }
  const auto damaged = folder_ / "damaged.safetensors";
  EXPECT_EQ("", fuzz({metadata.at("statistics")}, 600, 6, [&](const std::string& description) {
              auto changed = metadata;
              changed["statistics"] = description;
              changed["checksum"] = hash_hex(description);
              if (!nlohmann::json::accept(description)) return;
              write_safetensors(damaged, tensors, changed);
              const auto file = MomentsFile::open(damaged);
              for (const auto& site : file.sites()) file.read(*vlm_, site);
            }));
}

}  // namespace
}  // namespace emend
